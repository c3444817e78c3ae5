"""What the engine did can be read in its log, with figures, under the job's id."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo

from gpu_worker.engine.errors import OutOfMemory, RenderStopped
from gpu_worker.engine.events import log_event
from gpu_worker.engine.snapshots import render_snapshots
from gpu_worker.log_context import bound
from gpu_worker.snapshot_files import SnapshotFiles
from tests.engine.jobs import Listener, render
from tests.engine.tight_engines import engine_on, job, sizes_of, spec


def fields_of(records: list[logging.LogRecord], event: str) -> list[dict[str, Any]]:
    return [getattr(record, "fields") for record in records if getattr(record, "event", "") == event]  # noqa: B009


def test_a_render_says_what_was_placed_loaded_measured_and_how_long_each_stage_took(
    repos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gpu_worker.engine")
    wanted = job("one")
    render(engine_on(repos, tmp_path / "cache"), wanted, tmp_path / "clip")

    events = [record for record in caplog.records if hasattr(record, "event")]
    assert {getattr(record, "job_id") for record in events} == {wanted.job_id}  # noqa: B009
    assert fields_of(events, "placement chosen")[0]["budget_bytes"] == 2**30
    loaded = {fields["component"]: fields for fields in fields_of(events, "component loaded")}
    assert {"text_encoder", "transformer", "vae"} <= set(loaded)
    assert all(fields["size_bytes"] > 0 and fields["from_tier"] == "disk" for fields in loaded.values())
    assert {"denoising", "decoding"} <= {fields["stage"] for fields in fields_of(events, "stage ended")}
    assert {"denoising", "decoding"} <= {fields["stage"] for fields in fields_of(events, "peak measured")}
    assert fields_of(events, "clip rendered")[0]["model"] == "one"


def test_an_eviction_says_what_left_for_which_job(
    repos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = sizes_of(repos, tmp_path / "sizes", "one")
    engine = engine_on(repos, tmp_path / "cache", sum(sizes.values()) + 2**20)
    render(engine, job("one"), tmp_path / "first")
    caplog.set_level(logging.INFO, "gpu_worker.engine")
    second = job("two")
    render(engine, second, tmp_path / "second")

    evicted = [record for record in caplog.records if getattr(record, "event", "") == "component evicted"]
    assert "transformer" in {fields["component"] for fields in fields_of(evicted, "component evicted")}
    assert {getattr(record, "job_id") for record in evicted} == {second.job_id}  # noqa: B009


def test_quantising_says_how_long_it_took(repos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gpu_worker.engine")
    render(engine_on(repos, tmp_path / "cache"), job("one", spec_changes={"quantisation": "int8"}), tmp_path / "clip")
    (quantised, *_) = fields_of(caplog.records, "component quantised")
    assert quantised["quantisation"] == "int8"
    assert quantised["seconds"] > 0


def test_each_fallback_is_named_and_so_is_the_end_of_them(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("scripted")

    monkeypatch.setattr(AutoencoderKLLTXVideo, "decode", no_room)
    caplog.set_level(logging.INFO, "gpu_worker.engine")
    wanted = job("one")
    with pytest.raises(OutOfMemory):
        render(engine_on(repos, tmp_path / "cache"), wanted, tmp_path / "clip")

    ran_out = [record for record in caplog.records if getattr(record, "event", "") == "out of memory"]
    fallbacks = [fields["fallback"] for fields in fields_of(ran_out, "out of memory")]
    assert fallbacks[0] == "freeing memory"
    assert "decoding in tiles" in fallbacks
    assert fallbacks[-1] == "none left"
    assert len(fallbacks) == len(set(fallbacks))
    assert {fields["budget_bytes"] for fields in fields_of(ran_out, "out of memory")} == {2**30}
    assert {getattr(record, "job_id") for record in ran_out} == {wanted.job_id}  # noqa: B009


def test_a_component_that_comes_back_says_from_where(
    repos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    engine.preload(spec("one"))
    engine.evict_all()
    caplog.set_level(logging.INFO, "gpu_worker.engine")
    caplog.clear()
    engine.preload(spec("one"))
    loaded = fields_of(caplog.records, "component loaded")
    assert loaded
    assert {fields["from_tier"] for fields in loaded} == {"ram"}


def test_a_snapshot_says_its_step_and_what_it_cost_and_the_next_attempt_where_it_goes_on(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(render_snapshots, "MOST_COST", float("inf"))  # a tiny step is shorter than writing a file
    files = SnapshotFiles(tmp_path / "snapshots", every_seconds=0.0)
    engine, stopping = engine_on(repos, tmp_path / "cache"), Listener(stop_after_steps=2)
    caplog.set_level(logging.INFO, "gpu_worker.engine")
    caplog.clear()
    with pytest.raises(RenderStopped):
        engine.render(
            job("one"),
            inputs={},
            folder=tmp_path,
            on_progress=stopping,
            should_stop=stopping.should_stop,
            snapshots=files,
        )
    kept = fields_of(caplog.records, "snapshot")
    assert kept
    assert all(fields["size_bytes"] > 0 and fields["seconds"] >= 0 for fields in kept)

    caplog.clear()
    going_on, again = Listener(), job("one", attempt=2)
    engine.render(
        again, inputs={}, folder=tmp_path, on_progress=going_on, should_stop=going_on.should_stop, snapshots=files
    )
    (resumed,) = [record for record in caplog.records if getattr(record, "event", "") == "render resumed"]
    assert fields_of([resumed], "render resumed") == [{"step": kept[-1]["step"], "steps_total": 3}]
    assert getattr(resumed, "job_id") == again.job_id  # noqa: B009


def test_an_event_reads_as_one_searchable_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with bound(job_id="clip-7-1"):
        log_event(logging.getLogger("any"), "stage ended", stage="decoding", seconds=1.23456, why="two words")
    assert caplog.messages == ["stage ended job=clip-7-1 stage=decoding seconds=1.235 why='two words'"]
