"""A long render lets a short one go first, and goes on from where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from gpu_worker import job_picker
from gpu_worker.contract import Outcome, Progress, RenderJob, RenderReport, Stage
from gpu_worker.error_codes import STEPPED_ASIDE
from gpu_worker.job_choice import Bounds, Waiting, choose
from gpu_worker.rq_seams.render_queue import RenderQueue
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.step_aside import AsideBounds, steps_aside
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job
from tests.gpu_worker.scripted import ScriptedClip, ScriptedEngine

BOUNDS = AsideBounds(times=2, seconds=60.0, least_left_seconds=600.0, gain=10.0, share=0.2)


@pytest.mark.parametrize(
    ("job", "first", "known", "is_aside"),
    [
        ({}, {}, {}, True),
        ({}, {}, {"left_seconds": 599.0}, False),
        ({}, {}, {"service_seconds": 301.0}, False),
        ({}, {}, {"loading_seconds": 136.0}, False),
        ({}, {}, {"loading_seconds": None}, False),
        ({"times_aside": 2}, {}, {}, False),
        ({"times_aside": 1}, {}, {"left_seconds": 1300.0}, True),
        ({"times_aside": 1}, {}, {"left_seconds": 1299.0}, False),  # twice two minutes and ten seconds are a fifth
        ({}, {"times_aside": 1}, {}, False),  # two that stepped aside would do so for each other
        ({}, {"yields": True}, {}, False),  # never one that is paid for a free one
        ({"yields": True}, {"yields": True}, {}, True),
        ({"yields": True}, {}, {}, True),
    ],
)
def test_a_render_steps_aside_for_much_and_within_bounds(
    tmp_path: Path, job: dict[str, Any], first: dict[str, Any], known: dict[str, Any], is_aside: bool
) -> None:
    figures: dict[str, Any] = {"left_seconds": 3000.0, "service_seconds": 30.0, "loading_seconds": 20.0} | known
    assert steps_aside(make_job(tmp_path, **job), make_job(tmp_path, **first), BOUNDS, **figures) is is_aside


def test_what_has_stepped_aside_is_overtaken_by_none(tmp_path: Path) -> None:
    long, short = make_job(tmp_path, times_aside=1), make_job(tmp_path)
    waiting = [Waiting(job.job_id, job, 0.0, 0) for job in (long, short)]
    choice = choose(
        waiting,
        Bounds(),
        can_hold=lambda _: True,
        loading_seconds=lambda job: 100.0 if job is long else 0.0,
        service_seconds=lambda _: 1.0,
    )
    assert choice.taken is waiting[0]


class Keeping(ScriptedEngine):
    """Keeps its state after each step, whose pace it says, and goes on from the step that is kept."""

    def __init__(self, seconds_per_step: float, **others: Any) -> None:
        super().__init__(**others)
        self._seconds_per_step = seconds_per_step

    def render(
        self,
        job: RenderJob,
        *,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
        **others: Any,
    ) -> ScriptedClip:
        assert snapshots is not None
        files = snapshots
        found = files.of(job.generation_id)
        done = int(found[0].read_bytes()) if found else 0

        def announced(progress: Progress) -> None:
            if progress.kind == "step":
                progress = replace(progress, step=done + progress.step, steps_total=job.steps)
                on_progress(replace(progress, seconds_per_step=self._seconds_per_step))
                files.write(job.generation_id, str(progress.step).encode())
            else:
                on_progress(progress)

        left = replace(job, steps=job.steps - done)
        made = super().render(left, on_progress=announced, should_stop=should_stop, **others)
        return replace(made, steps_done=job.steps, steps_total=job.steps, resumed_from_step=done)


def _run(
    valkey: redis.Redis,
    run_worker: Callable[..., GpuWorker],
    monkeypatch: pytest.MonkeyPatch,
    long: RenderJob,
    short: RenderJob,
    at_pick: Callable[[], None] = lambda: None,
    changes: dict[str, str] | None = None,
) -> list[RenderReport]:
    """Have a worker render both, the short one of which comes when the long one has begun."""
    monkeypatch.setattr(job_picker, "LOOK_SECONDS", 0.0)
    enqueue(valkey, long)
    pick = job_picker.JobPicker.pick
    started: list[str] = []

    def coming(picker: job_picker.JobPicker) -> job_picker.PickedJob:
        picker.service_times.learn(short, {Stage.DENOISING: 1.0})
        if started:
            at_pick()
        picked = pick(picker)
        if not started:
            enqueue(valkey, short)
        started.append(picked.job_id or "")
        return picked

    monkeypatch.setattr(job_picker.JobPicker, "pick", coming)
    run_worker(Keeping(3600.0, resident={"toy": 10.0}), **{"GPU_WORKER_YIELD_TIMES": "10", **(changes or {})})
    return finished_reports(valkey)


def test_a_long_render_is_handed_back_at_a_kept_step_and_the_short_one_goes_first(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = make_job(tmp_path, steps=8), make_job(tmp_path)
    again = replace(long, attempt=2, times_aside=1, kept_by="worker-under-test")

    def at_pick() -> None:  # as the site does it, before the worker looks
        if not valkey.exists(f"rq:job:{again.job_id}"):
            enqueue(valkey, again, at_front=True)

    aside, first, last = _run(valkey, run_worker, monkeypatch, long, short, at_pick)

    assert aside.error is not None
    assert (aside.generation_id, aside.error.code, aside.error.is_retryable) == (
        long.generation_id,
        STEPPED_ASIDE,
        True,
    )
    assert (first.generation_id, first.outcome) == (short.generation_id, Outcome.SUCCEEDED)
    assert (last.generation_id, last.outcome, last.steps_done) == (long.generation_id, Outcome.SUCCEEDED, 8)
    assert last.resumed_from_step == aside.steps_done == 1


@pytest.mark.parametrize(
    "changes", [{"GPU_WORKER_YIELD_TIMES": "0"}, {"GPU_WORKER_YIELD_LEFT_SECONDS": "86400"}], ids=["never", "too short"]
)
def test_by_its_settings_a_worker_goes_on(
    valkey: redis.Redis,
    run_worker: Callable[..., GpuWorker],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
) -> None:
    long, short = make_job(tmp_path, steps=8), make_job(tmp_path)
    reports = _run(valkey, run_worker, monkeypatch, long, short, changes=changes)
    assert [(each.generation_id, each.outcome) for each in reports] == [
        (long.generation_id, Outcome.SUCCEEDED),
        (short.generation_id, Outcome.SUCCEEDED),
    ]


def test_who_has_the_snapshot_goes_on_unless_it_is_gone(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    job = make_job(tmp_path, times_aside=1, kept_by="another")
    enqueue(valkey, job)
    engine = ScriptedEngine()
    picker = job_picker.JobPicker(RenderQueue(valkey, "worker-under-test", Bounds()), engine, BOUNDS)
    assert not picker._is_for_us(Waiting(job.job_id, job, 1.0, 0))
    assert picker._is_for_us(Waiting(job.job_id, job, job_picker.KEEPER_SECONDS + 1, 0))
    run_worker(engine)  # nobody of that name is on
    assert [report.outcome for report in finished_reports(valkey)] == [Outcome.SUCCEEDED]


def test_while_it_is_aside_short_ones_go_first_and_no_long_one(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short, more = make_job(tmp_path, steps=8), make_job(tmp_path), make_job(tmp_path)
    other = make_job(tmp_path, slug="other", timeout_seconds=20_000)  # nobody knows it to be short
    again = replace(long, attempt=2, times_aside=1, kept_by="worker-under-test")

    def at_pick() -> None:
        if not valkey.exists(f"rq:job:{again.job_id}"):
            enqueue(valkey, more)
            enqueue(valkey, other)
            enqueue(valkey, again, at_front=True)

    reports = _run(valkey, run_worker, monkeypatch, long, short, at_pick)
    in_turn = [job.generation_id for job in (long, short, more, long, other)]
    assert [each.generation_id for each in reports] == in_turn
