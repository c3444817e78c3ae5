"""A fresh process compiles what the one before it had compiled, before somebody waits for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_worker.contract import RenderJob
from gpu_worker.engine.compiled_shapes import CompiledShapes
from gpu_worker.sounds import Audio
from tests.engine.jobs import render
from tests.engine.tight_engines import engine_on, job, on_device
from tests.families.test_modes import picture, tone

SPEED: dict[str, Any] = {"compile_repeated_blocks": {"backend": "eager"}}


def compiled_job(**changes: Any) -> RenderJob:
    return job("small", spec_changes={"speed": SPEED}, **changes)


def frames_compiled() -> int:
    return int(torch._dynamo.utils.counters["frames"]["ok"])


def test_what_was_compiled_once_is_compiled_before_anybody_waits(repos: Path, tmp_path: Path) -> None:
    wanted, inputs = compiled_job(mode="image", steps=2), {"image": picture(1)}
    render(engine_on(repos, tmp_path / "cache"), wanted, tmp_path / "1", inputs=inputs)
    torch._dynamo.reset()  # as a new process begins
    torch._dynamo.utils.counters.clear()
    engine = engine_on(repos, tmp_path / "cache")

    engine.preload(wanted.model)

    compiled = frames_compiled()
    assert compiled > 0
    render(engine, wanted, tmp_path / "2", inputs=inputs)
    assert frames_compiled() == compiled
    assert not list(engine._compiled_shapes.missing(wanted.model))


def test_what_cannot_be_made_any_more_costs_the_warm_up_alone(
    repos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    CompiledShapes(tmp_path / "compiled-shapes.json").note(compiled_job(mode="opera"), {})
    engine = engine_on(repos, tmp_path)
    engine.preload(compiled_job().model)
    assert "transformer" in on_device(engine)
    assert "not compiled in advance: LTX-Video has no mode 'opera'" in caplog.text


def test_a_shape_is_kept_without_anything_of_a_person(tmp_path: Path) -> None:
    file = tmp_path / "shapes.json"
    given = {"image": picture(1), "video": [picture(2)] * 9}
    made = compiled_job(prompt="Ada in Paris", negative_prompt="Bob", seed=4711, call={"guidance_scale": 3.0})
    CompiledShapes(file).note(made, given)
    assert not [secret for secret in ("Ada", "Bob", "4711") if secret in file.read_text()]

    ((again, inputs),) = CompiledShapes(file).missing(made.model)
    assert (again.width, again.num_frames, again.steps, again.call) == (64, 9, 3, {"guidance_scale": 3.0})
    assert inputs["image"].size == (64, 64)
    assert len(inputs["video"]) == 9


@pytest.mark.parametrize(("speed", "inputs"), [({}, {}), (SPEED, {"audio": tone(440.0)})])
def test_what_compiles_nothing_or_hears_is_not_kept(
    tmp_path: Path, speed: dict[str, Any], inputs: dict[str, Audio]
) -> None:
    CompiledShapes(tmp_path / "shapes.json").note(job("small", spec_changes={"speed": speed}), inputs)
    assert not (tmp_path / "shapes.json").exists()


def test_only_the_last_shapes_of_a_row_are_made_again(tmp_path: Path) -> None:
    shapes = CompiledShapes(tmp_path / "shapes.json")
    for width in (64, 96, 128, 160, 192, 96):
        shapes.note(compiled_job(width=width), {})
    model = compiled_job().model
    assert not list(shapes.missing(model))  # this process has them
    again = CompiledShapes(tmp_path / "shapes.json")
    assert [made.width for made, _ in again.missing(model)] == [192, 160, 128, 96]


def test_a_disk_that_takes_nothing_costs_nobody_a_clip(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    CompiledShapes(tmp_path / "a file" / "shapes.json").note(compiled_job(), {})


@pytest.mark.parametrize("damage", ["{", "[]", '{"small:1": 3}', '{"small:1": [3, {"mode": "text"}]}'])
def test_a_file_that_makes_no_sense_is_begun_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "shapes.json").write_text(damage)
    shapes = CompiledShapes(tmp_path / "shapes.json")
    assert not list(shapes.missing(compiled_job().model))
    shapes.note(compiled_job(), {})
    assert json.loads((tmp_path / "shapes.json").read_text())["small:1"][-1]["width"] == 64
