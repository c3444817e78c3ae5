"""The seed on a clip's page makes the clip again: the same bytes, in another process, after other clips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpu_worker.engine.video.seeding import seed_generators
from tests.families.seeds import DRAWN, EVERY, digests, start_elsewhere

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "names", [pytest.param([*DRAWN], id="drawn"), pytest.param([*EVERY], id="every", marks=pytest.mark.seeds)]
)
def test_one_seed_makes_the_same_bytes_in_two_processes(models: Path, names: list[str]) -> None:
    for name in names:
        EVERY[name].job(models)  # builds what both are to read
    wait = start_elsewhere(names, models)
    here = digests(names, models)
    elsewhere = wait()
    assert {name for name in names if here[name] != elsewhere[name]} == set()


def test_another_seed_draws_another_noise() -> None:
    with seed_generators(1, CPU):
        drawn = torch.rand(8)
    with seed_generators(1, CPU):
        assert torch.equal(drawn, torch.rand(8))
    with seed_generators(2, CPU):
        assert not torch.equal(drawn, torch.rand(8))


def test_after_a_render_the_process_draws_as_if_there_had_been_none() -> None:
    torch.manual_seed(7)
    expected = torch.rand(8)
    torch.manual_seed(7)
    with seed_generators(1, CPU):
        torch.rand(3)
    assert torch.equal(torch.rand(8), expected)
