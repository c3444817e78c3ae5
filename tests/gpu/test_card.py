"""What only a real card can show, for whoever has one: ``pytest -m gpu``. Skipped with its reason elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from gpu_worker.check.arithmetic import arithmetic_checks
from gpu_worker.check.clips import clip_checks
from gpu_worker.check.memory import Amounts, memory_checks
from gpu_worker.check.report import Check, Outcome, result_of
from gpu_worker.engine import Device, device_from_environment
from gpu_worker.families import FAMILIES

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def card() -> Device:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    return device_from_environment()


def failed(checks: Iterable[Check]) -> list[str]:
    """A line for each check that failed; those that cannot be made on this card are left out."""
    results = [result_of(check) for check in checks]
    assert any(result.outcome is Outcome.OK for result in results)
    return [f"{result.line}\n{result.details}" for result in results if result.outcome is Outcome.FAILED]


def test_it_has_a_name_a_driver_and_room(card: Device) -> None:
    assert card.name
    assert card.driver_version
    assert card.budget_bytes > 0


def test_memory_is_pinned_copied_and_bounded_as_the_plan_expects(card: Device) -> None:
    assert failed(memory_checks(card, Amounts())) == []


def test_layers_attention_and_block_swap_compute_what_the_processor_does(card: Device, tmp_path: Path) -> None:
    assert failed(arithmetic_checks(card, tmp_path)) == []


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_smallest_clip_of_each_family_is_the_processor_s(card: Device, tmp_path: Path, family: str) -> None:
    assert failed(clip_checks(card, tmp_path, [family])) == []
