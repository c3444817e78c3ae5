"""What quantisation changes of a model, measured in its test render."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpu_worker.contract import ComponentSource, RenderJob
from gpu_worker.engine import Engine
from gpu_worker.engine.errors import RenderStopped
from gpu_worker.engine.video.rendering import Rendering
from gpu_worker.engine.weights.quantisation import quantise_weight
from tests.engine.jobs import frames_of, render
from tests.engine.tight_engines import engine_on, job, on_device, sizes_of
from tests.tiny import gguf

pytestmark = pytest.mark.usefixtures("convolutions_in_single_precision")


def trial(source: str = "one", quantisation: str = "int8", **row: Any) -> RenderJob:
    return job(source, is_compared=True, spec_changes={"dtype": "bfloat16", "quantisation": quantisation, **row})


def similarity(engine: Engine, job: RenderJob, folder: Path) -> float:
    measured = render(engine, job, folder).similarity
    assert measured is not None
    assert not any(r.leases for r in engine.status().residents)
    return measured


def test_eight_bits_are_closer_to_the_whole_weights_than_four(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    int8, nf4 = (similarity(engine, trial(quantisation=q), tmp_path / q) for q in ("int8", "nf4"))
    assert 0.9 < nf4 < int8 < 1
    assert int8 > 0.999


def test_the_same_row_measures_the_same_on_every_worker(repos: Path, tmp_path: Path) -> None:
    first, second = (engine_on(repos, tmp_path / name) for name in "ab")
    assert similarity(first, trial("cog"), tmp_path / "1") == similarity(second, trial("cog"), tmp_path / "2")


def test_broken_quantisation_shows(repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(weight: torch.Tensor, *how: Any) -> torch.Tensor:
        return quantise_weight(weight.abs(), *how)  # without the signs

    monkeypatch.setattr("gpu_worker.engine.weights.loading.quantise_weight", careless)
    assert similarity(engine_on(repos, tmp_path / "cache"), trial(), tmp_path) < 0.9


def test_a_packed_file_is_compared_with_the_checkpoint_that_it_was_made_of(repos: Path, tmp_path: Path) -> None:
    gguf.write(tmp_path / "one.gguf", repos / "one/transformer", "Q4_0")
    row: dict[str, Any] = {"components": {"transformer": ComponentSource(source=str(tmp_path), file="one.gguf")}}
    found = similarity(engine_on(repos, tmp_path / "cache"), trial(quantisation="gguf", **row), tmp_path / "clip")
    assert 0.9 < found < 0.9999


def test_whole_weights_that_do_not_fit_come_block_by_block_for_it(repos: Path, tmp_path: Path) -> None:
    changes = {"dtype": "bfloat16"}
    whole, small = (sizes_of(repos, tmp_path / "c", "one", quantisation=q, **changes) for q in ("none", "int8"))
    budget_bytes = max(small["text_encoder"], small["transformer"] + small["vae"]) + 1000
    assert budget_bytes < whole["transformer"]
    tight = engine_on(repos, tmp_path / "c", budget_bytes, host_bytes=2**30)
    roomy = engine_on(repos, tmp_path / "d")
    assert similarity(tight, trial(), tmp_path / "1") == similarity(roomy, trial(), tmp_path / "2")
    unable = engine_on(repos, tmp_path / "c", budget_bytes)
    assert render(unable, trial(), tmp_path / "3").similarity is None  # and the clip is there


def test_it_costs_nobody_else_anything(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    plain = render(engine, job("one", spec_changes={"dtype": "bfloat16", "quantisation": "int8"}), tmp_path / "1")
    assert plain.similarity is None
    assert [r.name for r in engine.status().residents].count("transformer") == 1
    compared = render(engine, trial(), tmp_path / "2")
    assert np.array_equal(frames_of(plain.clip), frames_of(compared.clip))
    assert compared.stage_seconds["loading"] < sum(compared.stage_seconds.values())
    assert render(engine, trial(quantisation="none"), tmp_path / "3").similarity is None


def test_a_trial_that_is_stopped_while_comparing_leaves_nothing_leased(repos: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    engine = engine_on(repos, tmp_path / "cache")
    said: list[str] = []

    def should_stop() -> bool:
        if said and said[-1] == "loading" and "encoding_video" in said:
            raise Stopped
        return False

    with pytest.raises(Stopped):
        engine.render(
            trial(),
            inputs={},
            folder=tmp_path,
            on_progress=lambda progress: said.append(progress.stage),
            should_stop=should_stop,
        )
    assert not any(r.leases for r in engine.status().residents)
    assert "transformer" in on_device(engine)


def test_what_a_step_cache_changes_is_measured_too(repos: Path, tmp_path: Path) -> None:
    """By the same clip without it; quantised or not."""
    engine = engine_on(repos, tmp_path / "cache")

    def found(threshold: float, steps: int, quantisation: str = "none") -> float:
        speed: dict[str, Any] = {"sea_cache": {"threshold": threshold, "max_consecutive_cached": 0}}
        wanted = dataclasses.replace(trial(quantisation=quantisation, speed=speed), steps=steps)
        return similarity(engine, wanted, tmp_path / "clip")

    assert found(0.0, 3) == pytest.approx(1, abs=1e-12)  # it skips nothing
    assert found(10.0, 12) < found(10.0, 4) < 1 - 1e-9
    assert found(0.0, 3, "int8") == similarity(engine, trial(), tmp_path / "clip")


def test_a_trial_that_is_stopped_while_it_makes_the_steps_again_is_stopped(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    begun: list[Rendering] = []
    begin = engine._rendering

    def noted(*facts: Any) -> Rendering:
        begun.append(begin(*facts))
        return begun[-1]

    monkeypatch.setattr(engine, "_rendering", noted)
    wanted = trial(quantisation="none", speed={"sea_cache": {}})

    def should_stop() -> bool:
        return len(begun) == 2 and begun[1]._stages.steps_done == 1

    with pytest.raises(RenderStopped):
        render(engine, wanted, tmp_path / "clip", should_stop=should_stop)
    assert begun[1]._stages.steps_done == 1
    assert not any(r.leases for r in engine.status().residents)
