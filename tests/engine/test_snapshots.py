"""Snapshots that are of no use: each is dropped, and the render starts anew and ends as ever."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import SafetensorError

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Engine, RenderStopped
from gpu_worker.engine.snapshots import identity, release, render_snapshots
from gpu_worker.engine.snapshots.recorder import Recorder, laid_out
from gpu_worker.engine.snapshots.render_snapshots import RenderSnapshots
from gpu_worker.engine.snapshots.serialisation import CannotBeSaved, dtype_named, read_state, to_bytes
from gpu_worker.snapshot_files import SnapshotFiles
from tests.engine.jobs import Listener, model_spec, render_job

CPU = torch.device("cpu")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SnapshotFiles:
    monkeypatch.setattr(render_snapshots, "MOST_COST", float("inf"))  # a tiny step is shorter than writing a file
    return SnapshotFiles(tmp_path / "snapshots", every_seconds=0.0)


def steps_of(engine: Engine, job: RenderJob, folder: Path, files: SnapshotFiles, **inputs: Any) -> list[int]:
    """Render to the end; which steps were made."""
    listener = Listener()
    folder.mkdir(exist_ok=True)
    engine.render(
        job, inputs=inputs, folder=folder, on_progress=listener, should_stop=listener.should_stop, snapshots=files
    )
    return [entry.step for entry in listener.of("step")]


def cut_off(engine: Engine, job: RenderJob, folder: Path, files: SnapshotFiles, **inputs: Any) -> None:
    """Render two of three steps, of which there is a snapshot then where there can be one."""
    listener = Listener(stop_after_steps=2)
    with pytest.raises(RenderStopped):
        engine.render(
            job, inputs=inputs, folder=folder, on_progress=listener, should_stop=listener.should_stop, snapshots=files
        )


@pytest.fixture
def snapshot(engine: Engine, tmp_path: Path, files: SnapshotFiles) -> Path:
    cut_off(engine, render_job(), tmp_path, files)
    [path] = files.of("g")
    return path


def test_what_is_left_is_rendered_and_progress_says_from_where(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path
) -> None:
    listener = Listener()
    made = engine.render(
        render_job(attempt=2),
        inputs={},
        folder=tmp_path,
        on_progress=listener,
        should_stop=listener.should_stop,
        snapshots=files,
    )
    assert [(entry.step, entry.steps_total) for entry in listener.of("step")] == [(3, 3)]
    assert [entry.message for entry in listener.of("stage") if entry.message] == ["Goes on from step 2 of 3"]
    assert (made.resumed_from_step, made.steps_done, made.steps_total) == (2, 3, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"prompt": "a blue fox"},
        {"steps": 4},
        {"call": {"guidance_scale": 2.0}},
        {"model": model_spec(dtype="bfloat16")},
        {"model": model_spec(quantisation="int8")},
        {"watermark": "sample"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_snapshot_of_another_job_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path, changes: dict[str, Any]
) -> None:
    job = render_job(attempt=2, **changes)
    assert steps_of(engine, job, tmp_path, files) == list(range(1, job.steps + 1))
    assert not snapshot.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"may_overlap": True},
        {"yields": True},
        {"times_aside": 1},
        {"kept_by": "gpu-2"},
        {"timeout_seconds": 77},
        {"snapshot_to": "https://site/x"},
        {"snapshot_from": "https://site/x"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_the_site_says_of_one_attempt_alone_is_nothing_to_its_snapshot(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path, changes: dict[str, Any]
) -> None:
    assert steps_of(engine, render_job(attempt=2, **changes), tmp_path, files) == [3]


@pytest.mark.parametrize("name", ["load", "ops", "Tensor", "no_such_thing", "float32.__class__", 3])
def test_a_snapshot_names_no_other_thing_of_torch(name: object) -> None:
    with pytest.raises(ValueError, match="no type of numbers"):
        dtype_named(name)
    assert dtype_named("bfloat16") is torch.bfloat16


def test_a_snapshot_made_from_another_picture_is_dropped(engine: Engine, tmp_path: Path, files: SnapshotFiles) -> None:
    job = render_job(mode="image")
    cut_off(engine, job, tmp_path, files, image=Image.new("RGB", (64, 64), "red"))
    again = replace(job, attempt=2)
    assert steps_of(engine, again, tmp_path, files, image=Image.new("RGB", (64, 64), "blue")) == [1, 2, 3]


def test_a_snapshot_of_another_release_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "FORMAT", identity.FORMAT + 1)
    assert steps_of(engine, render_job(attempt=2), tmp_path, files) == [1, 2, 3]


@pytest.mark.parametrize("package", ["torchao", "bitsandbytes", "gguf", "accelerate", "diffusers", "transformers"])
def test_a_snapshot_made_with_another_version_of_a_library_is_dropped(
    engine: Engine,
    tmp_path: Path,
    files: SnapshotFiles,
    snapshot: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
) -> None:
    def absent(name: str) -> str:
        if name == package:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(release, "version", absent)
    assert steps_of(engine, render_job(attempt=2), tmp_path, files) == [1, 2, 3]


def test_a_snapshot_made_by_other_code_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "CODE", "of other code")
    assert steps_of(engine, render_job(attempt=2), tmp_path, files) == [1, 2, 3]


def test_a_line_changed_or_a_file_moved_is_other_code(tmp_path: Path) -> None:
    first, second = tmp_path / "engine" / "steps.py", tmp_path / "engine" / "deep" / "steps.py"
    second.parent.mkdir(parents=True)
    first.write_text("a = 1")
    digests = [release.digest_of_sources(tmp_path)]
    first.write_text("a = 2")
    digests.append(release.digest_of_sources(tmp_path))
    first.rename(second)
    digests.append(release.digest_of_sources(tmp_path))
    (tmp_path / "contract.py").write_text("")
    digests.append(release.digest_of_sources(tmp_path))
    (tmp_path / "supervisor.py").write_text("what does not render")
    assert len(set(digests)) == 4
    assert release.digest_of_sources(tmp_path) == digests[-1]


def test_a_snapshot_from_another_number_of_threads_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums are split among them, and round otherwise."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 17)
    assert steps_of(engine, render_job(attempt=2), tmp_path, files) == [1, 2, 3]


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut_short, _flip_a_bit, _empty])
def test_a_damaged_snapshot_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path, damage: Callable[[Path], None]
) -> None:
    damage(snapshot)
    assert steps_of(engine, render_job(attempt=2), tmp_path, files) == [1, 2, 3]


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", to_bytes({"a": 1}, {"no": "identity"})],
    ids=["empty", "nonsense", "of nobody"],  # the order of a header's fields is chance, and no name
)
def test_a_file_that_is_no_snapshot_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, content: bytes
) -> None:
    files.write("g", content)
    assert steps_of(engine, render_job(), tmp_path, files) == [1, 2, 3]


def test_a_snapshot_that_two_attempts_came_no_further_from_is_dropped(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, snapshot: Path
) -> None:
    assert steps_of(engine, render_job(attempt=3), tmp_path, files) == [1, 2, 3]


def test_a_pipeline_that_takes_another_way_than_recorded_starts_anew(
    engine: Engine,
    tmp_path: Path,
    files: SnapshotFiles,
    snapshot: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def without_outputs(state: dict[str, Any] | None = None) -> Recorder:
        return Recorder(state and state | {"outputs": []})

    monkeypatch.setattr(render_snapshots, "Recorder", without_outputs)
    assert steps_of(engine, render_job(attempt=2), tmp_path, files) == [1, 2, 3]
    assert "starts anew: LookupError: the transformer is called more often than was recorded" in caplog.text


def test_with_a_step_cache_there_are_none_and_the_log_says_why(
    files: SnapshotFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    speed = {"first_block_cache": {"threshold": 0.1}}
    kept = RenderSnapshots(files, generation_id="g", attempt=1, speed=speed, device=CPU)
    assert kept.recorder(dict) is None
    kept.take(1, 3, wait_for_device=lambda: None)
    assert files.of("g") == []
    assert "no snapshots" in caplog.text


def test_a_full_disk_costs_the_snapshots_and_no_render(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SnapshotFiles, "write", full)
    assert steps_of(engine, render_job(), tmp_path, files) == [1, 2, 3]
    assert caplog.text.count("No snapshots are kept of g: OSError") == 1


@pytest.mark.parametrize(
    "problem",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), SafetensorError("scripted")],
    ids=lambda problem: type(problem).__name__,
)
def test_what_goes_wrong_in_keeping_the_state_costs_the_snapshots_and_no_render(
    engine: Engine, tmp_path: Path, files: SnapshotFiles, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise problem

    monkeypatch.setattr(render_snapshots, "to_bytes", fails)
    assert steps_of(engine, render_job(), tmp_path, files) == [1, 2, 3]
    assert files.of("g") == []


def test_a_state_that_is_too_large_is_not_even_copied(files: SnapshotFiles, caplog: pytest.LogCaptureFixture) -> None:
    kept = RenderSnapshots(files, generation_id="g", attempt=1, speed={}, device=CPU)
    kept.recorder(dict)
    kept._recorder = _Recorded(torch.zeros(1).expand(2**50))  # type: ignore[assignment]  # no machine holds a copy
    kept.take(1, 3, wait_for_device=lambda: None)
    assert "No snapshots are kept of g: CannotBeSaved: 4503599627370496 bytes" in caplog.text


def test_they_take_a_small_part_of_the_time(engine: Engine, tmp_path: Path) -> None:
    """Of steps that are as short as these, the first alone is kept: only then was the price not known."""
    assert render_snapshots.MOST_COST <= 0.05
    now = iter(range(0, 10_000))
    files = SnapshotFiles(tmp_path, every_seconds=0.0)
    kept = RenderSnapshots(files, generation_id="g", attempt=1, speed={}, device=CPU, clock=lambda: float(next(now)))
    written = []
    kept.recorder(dict)
    kept._recorder = _Recorded()  # type: ignore[assignment]  # every look at the clock is a second, writing takes one
    for step in range(1, 200):
        kept.take(step, 200, wait_for_device=lambda: None)
        written.append(tuple(files.of("g")))
    assert 2 <= len(set(written)) <= 6


class _Recorded:
    def __init__(self, tensor: torch.Tensor | None = None) -> None:
        self._calls, self._tensor = 0, tensor

    def state(self) -> dict[str, Any]:
        self._calls += 1
        return {"calls": self._calls, "drawn": self._tensor}


def test_tensors_come_back_in_their_own_layout(tmp_path: Path) -> None:
    """Another layout is another rounding in a matrix product, and other bytes in the end."""
    whole = torch.arange(24.0).reshape(2, 3, 4)
    plain = (torch.bfloat16, None, "x", 1.5)
    state: dict[Any, Any] = {"transposed": whole.permute(2, 0, 1), "twice": [whole, whole], 3: plain}
    path = tmp_path / "x.safetensors"
    path.write_bytes(to_bytes(state, {}))
    back: dict[Any, Any] = read_state(path, CPU)
    assert back["transposed"].stride() == whole.permute(2, 0, 1).stride()
    assert torch.equal(back["transposed"], whole.permute(2, 0, 1))
    assert [torch.equal(tensor, whole) for tensor in back["twice"]] == [True, True]
    assert back[3] == plain
    assert laid_out(whole.expand(2, 3, 4), (0, 4, 1), CPU).shape == (2, 3, 4)


def test_what_is_neither_a_tensor_nor_plain_is_refused() -> None:
    with pytest.raises(CannotBeSaved, match="object"):
        to_bytes({"x": object()}, {})


def test_a_snapshot_says_nothing_of_what_was_asked_for(engine: Engine, tmp_path: Path, files: SnapshotFiles) -> None:
    job = render_job(prompt="a secret wish", negative_prompt="a secret fear")
    cut_off(engine, job, tmp_path, files)
    [path] = files.of("g")
    assert b"secret" not in path.read_bytes()


def test_there_is_no_code_in_a_snapshot(snapshot: Path) -> None:
    length = int.from_bytes(snapshot.read_bytes()[:8], "little")
    header = json.loads(snapshot.read_bytes()[8 : 8 + length])
    assert json.loads(header["__metadata__"]["header"])["steps"] == [2, 3]
