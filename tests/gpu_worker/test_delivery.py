"""A clip whose frames have left the card is written, sent and reported while the card is at the next job."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from rq.command import send_stop_job_command
from rq.serializers import JSONSerializer

from gpu_worker import attempt, commands, render_job
from gpu_worker.contract import Outcome, RenderJob
from gpu_worker.deadline import Deadline
from gpu_worker.delivery import Deliveries
from gpu_worker.liveness import live_workers
from gpu_worker.rq_seams import dead_worker
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import (
    enqueue,
    finished_reports,
    make_job,
    stream_of,
)
from tests.gpu_worker.overlapping import (
    DONE,
    NAME,
    Noting,
    RunWorker,
    beside,
    gate,
    is_on_the_card,
    outcomes,
    overlapping,
    torch_is_loaded,
)
from tests.gpu_worker.scripted import ScriptedEngine, ScriptedFrames
from tests.patience import wait_until

__all__ = ["gate", "torch_is_loaded"]


def test_both_are_in_hand_until_each_is_reported(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path
) -> None:
    first = overlapping(tmp_path, writing_waits_for=str(gate))
    second = overlapping(tmp_path, waits_for=str(tmp_path / "second"))
    for job in (first, second):
        enqueue(valkey, job)
    seen: list[Any] = []

    def look() -> None:
        wait_until(lambda: is_on_the_card(valkey, second))
        both = ((first.generation_id, 1), (second.generation_id, 1))
        wait_until(lambda: [status.in_hand for status in live_workers(valkey)] == [both])
        seen.extend([dead_worker.held_jobs(valkey, NAME), valkey.zcard("rq:wip:render"), finished_reports(valkey)])
        gate.touch()
        wait_until(lambda: outcomes(valkey) == {first.generation_id: DONE})
        wait_until(lambda: dead_worker.held_jobs(valkey, NAME) == {second.job_id})
        (tmp_path / "second").touch()

    with beside(look):
        run_worker()

    assert seen == [{first.job_id, second.job_id}, 2, []]
    assert outcomes(valkey) == dict.fromkeys([first.generation_id, second.generation_id], DONE)
    assert (dead_worker.held_jobs(valkey, NAME), valkey.zcard("rq:wip:render")) == (set(), 0)
    assert valkey.zcard("rq:finished:render") == 2
    assert list((tmp_path / "cache" / "scratch" / NAME).iterdir()) == []


def test_a_third_waits_for_the_first_to_be_reported(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path
) -> None:
    jobs = [overlapping(tmp_path, **script) for script in ({"writing_waits_for": str(gate)}, {}, {})]
    for job in jobs:
        enqueue(valkey, job)
    engine = Noting(valkey)

    def open_late() -> None:
        wait_until(lambda: any(event["step"] == 5 for event in stream_of(valkey, jobs[1])))
        gate.touch()

    with beside(open_late):
        run_worker(engine)

    assert engine.unreported[:2] == [0, 1]
    assert engine.unreported[2] <= 1
    assert [report.generation_id for report in finished_reports(valkey)] == [job.generation_id for job in jobs]


def test_a_site_of_the_last_release_sees_one_job_at_a_time(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    for _ in range(3):
        enqueue(valkey, make_job(tmp_path))
    engine = Noting(valkey)
    run_worker(engine)
    assert engine.unreported == [0, 0, 0]


def test_a_cancel_ends_the_clip_that_it_names_and_no_other(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path
) -> None:
    first = overlapping(tmp_path, writing_waits_for=str(gate))
    second = overlapping(tmp_path, waits_for=str(tmp_path / "second"))
    for job in (first, second):
        enqueue(valkey, job)

    def cancel() -> None:
        wait_until(lambda: is_on_the_card(valkey, second))
        wait_until(lambda: [status.delivering_id for status in live_workers(valkey)] == [first.generation_id])
        assert commands.cancel(valkey, first.generation_id)
        wait_until(lambda: finished_reports(valkey))
        (tmp_path / "second").touch()

    with beside(cancel):
        run_worker()

    assert outcomes(valkey) == {first.generation_id: (Outcome.CANCELLED, ""), second.generation_id: DONE}
    assert not (tmp_path / first.generation_id).exists()


def test_the_stop_command_reaches_the_card_beside_a_delivery(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path
) -> None:
    first = overlapping(tmp_path, writing_waits_for=str(gate))
    second = make_job(
        tmp_path, may_overlap=True, timeout_seconds=3600, steps=100_000, call={"step_seconds": 0.005, "at_step": 0}
    )
    for job in (first, second):
        enqueue(valkey, job)

    def stop() -> None:
        wait_until(lambda: is_on_the_card(valkey, second))
        send_stop_job_command(valkey, second.job_id, serializer=JSONSerializer)
        wait_until(lambda: finished_reports(valkey))
        gate.touch()

    with beside(stop):
        run_worker()

    assert outcomes(valkey) == {first.generation_id: DONE, second.generation_id: (Outcome.CANCELLED, "")}


@pytest.mark.parametrize(("script", "code"), [({"writing_raises": "unforeseen"}, "internal"), ({}, "timeout")])
def test_what_goes_wrong_in_a_delivery_is_of_that_job_alone(
    valkey: redis.Redis,
    run_worker: RunWorker,
    tmp_path: Path,
    gate: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: dict[str, Any],
    code: str,
) -> None:
    now = 0.0
    first = make_job(tmp_path, may_overlap=True, timeout_seconds=9, call={"writing_waits_for": str(gate), **script})
    second = overlapping(tmp_path)
    clocks = {first.timeout_seconds: lambda: now, second.timeout_seconds: lambda: 0.0}
    monkeypatch.setattr(render_job, "Deadline", lambda seconds: Deadline(seconds, clock=clocks[seconds]))
    for job in (first, second):
        enqueue(valkey, job)

    def late() -> None:
        nonlocal now
        wait_until(lambda: any(event["step"] == 5 for event in stream_of(valkey, second)))
        if code == "timeout":
            now = 10.0
            wait_until(lambda: finished_reports(valkey))
        gate.touch()

    with beside(late):
        run_worker()

    assert outcomes(valkey) == {first.generation_id: (Outcome.FAILED, code), second.generation_id: DONE}


def test_an_idle_worker_keeps_nothing_of_the_last_clip(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[weakref.ref[ScriptedFrames]] = []
    left: list[ScriptedFrames | None] = []
    ended = GpuWorker.on_ended

    class Keeping(ScriptedEngine):
        def render_frames(self, job: RenderJob, **others: Any) -> ScriptedFrames:
            frames = super().render_frames(job, **others)
            kept.append(weakref.ref(frames))
            return frames

    def look(worker: GpuWorker) -> None:
        ended(worker)
        gc.collect()
        left.extend(frames() for frames in kept)

    monkeypatch.setattr(GpuWorker, "on_ended", look)
    enqueue(valkey, overlapping(tmp_path))
    run_worker(Keeping())
    assert left == [None]


def test_clearing_away_leaves_alone_what_is_being_delivered(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Path
) -> None:
    """After seconds without Valkey its time among RQ's running jobs has lapsed."""
    job = overlapping(tmp_path, writing_waits_for=str(gate))
    rq_job, begin = enqueue(valkey, job), Deliveries.begin
    states: list[Any] = []
    workers: list[GpuWorker] = []
    started = GpuWorker.on_started

    def start(worker: GpuWorker) -> None:
        workers.append(worker)
        started(worker)

    monkeypatch.setattr(GpuWorker, "on_started", start)
    monkeypatch.setattr(GpuWorker, "_keep_registered", lambda worker: None)

    def begin_and_lapse(deliveries: Deliveries, *begun: Any) -> None:
        begin(deliveries, *begun)
        [entry] = cast(list[bytes], valkey.zrange("rq:wip:render", 0, -1))
        valkey.zadd("rq:wip:render", {entry: 1.0})
        valkey.delete("rq:clean_registries:render")
        workers[0].run_maintenance_tasks()
        states.append(rq_job.get_status())
        gate.touch()

    monkeypatch.setattr(Deliveries, "begin", begin_and_lapse)
    run_worker()
    assert states == ["started"]


@pytest.mark.parametrize(("script", "outcome"), [({}, DONE), ({"writing_raises": "unforeseen"}, "internal")])
def test_the_wait_for_the_delivery_before_it_is_none_of_a_clip_s_time(
    valkey: redis.Redis,
    run_worker: RunWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: dict[str, Any],
    outcome: Any,
) -> None:
    now, waits, wait = 0.0, [3601.0], Deliveries.wait

    def long_wait(deliveries: Deliveries, *limits: Any) -> None:
        nonlocal now
        now += waits.pop() if waits else 0.0
        wait(deliveries, *limits)

    monkeypatch.setattr(Deliveries, "wait", long_wait)
    monkeypatch.setattr(render_job, "Deadline", lambda seconds: Deadline(seconds, clock=lambda: now))
    monkeypatch.setattr(attempt, "time", SimpleNamespace(monotonic=lambda: now))
    enqueue(valkey, overlapping(tmp_path, **script))

    run_worker()

    [report] = finished_reports(valkey)
    assert waits == []
    assert outcome in ((report.outcome, ""), report.error and report.error.code)
    assert sum(report.stage_seconds.values()) < 60.0
