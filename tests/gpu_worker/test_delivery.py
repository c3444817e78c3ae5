"""A clip whose frames have left the card is written, sent and reported while the card is at the next job."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from rq.command import send_stop_job_command
from rq.serializers import JSONSerializer

from gpu_worker import attempt, fleet, render_job
from gpu_worker.__main__ import work
from gpu_worker.contract import Outcome, RenderJob, RenderReport
from gpu_worker.deadline import Deadline
from gpu_worker.delivery import Deliveries
from gpu_worker.leaving import LeavingTime
from gpu_worker.lifeline import DELIVERY, Lifeline, Word, Words
from gpu_worker.liveness import live_workers
from gpu_worker.reports import Reports
from gpu_worker.rq_seams import dead_worker
from gpu_worker.settings import Settings
from gpu_worker.worker import EXIT_DEVICE_LOST, EXIT_UNFINISHED, GpuWorker
from tests.gpu_worker.conftest import (
    Supervised,
    enqueue,
    finished_reports,
    make_job,
    meanwhile,
    reports_of,
    stream_of,
)
from tests.gpu_worker.scripted import ScriptedClip, ScriptedEngine, ScriptedFrames
from tests.patience import wait_until

RunWorker = Callable[..., GpuWorker]
NAME = "worker-under-test"


class Noting(ScriptedEngine):
    """Notes which renders had been reported when each began."""

    def __init__(self, valkey: redis.Redis) -> None:
        super().__init__()
        self._valkey = valkey
        self.unreported: list[int] = []

    def render(self, job: RenderJob, **others: Any) -> ScriptedClip:
        self.unreported.append(len(self.rendered) - len(finished_reports(self._valkey)))
        return super().render(job, **others)


@pytest.fixture(scope="module", autouse=True)
def torch_is_loaded() -> None:
    """The errors of the engine bring it along; loaded by a job, it would take from that job's time."""
    importlib.import_module("gpu_worker.engine.errors")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Until it is there, a clip whose script waits for it is not written."""
    return tmp_path / "gate"


def overlapping(folder: Path, **script: Any) -> RenderJob:
    return make_job(folder, may_overlap=True, timeout_seconds=3600, call=script)


@contextmanager
def beside(action: Callable[[], None]) -> Iterator[None]:
    acting = meanwhile(action)
    yield
    acting.join()


def is_on_the_card(valkey: redis.Redis, job: RenderJob) -> bool:
    return any(event["stage"] == "denoising" for event in stream_of(valkey, job))


def is_being_written(valkey: redis.Redis, job: RenderJob) -> bool:
    return any(event["stage"] == "encoding_video" for event in stream_of(valkey, job))


def outcomes(valkey: redis.Redis) -> dict[str, tuple[Outcome, str]]:
    return {
        report.generation_id: (report.outcome, report.error.code if report.error else "")
        for report in finished_reports(valkey)
    }


DONE = (Outcome.SUCCEEDED, "")


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
        seen.extend([dead_worker.held(valkey, NAME), valkey.zcard("rq:wip:render"), finished_reports(valkey)])
        gate.touch()
        wait_until(lambda: outcomes(valkey) == {first.generation_id: DONE})
        wait_until(lambda: dead_worker.held(valkey, NAME) == {second.job_id})
        (tmp_path / "second").touch()

    with beside(look):
        run_worker()

    assert seen == [{first.job_id, second.job_id}, 2, []]
    assert outcomes(valkey) == dict.fromkeys([first.generation_id, second.generation_id], DONE)
    assert (dead_worker.held(valkey, NAME), valkey.zcard("rq:wip:render")) == (set(), 0)
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
        assert fleet.cancel(valkey, first.generation_id)
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


def test_when_it_has_to_leave_neither_of_two_keeps_it(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, checked = 0.0, LeavingTime.check
    first = overlapping(tmp_path, writing_waits_for=str(tmp_path / "never"))
    second = overlapping(tmp_path)
    wait = Deliveries.wait

    def stopped(deliveries: Deliveries, *check: Any) -> None:
        nonlocal now
        if deliveries.job is not None and now == 0.0:
            os.kill(os.getpid(), signal.SIGTERM)
            now = 31.0
        wait(deliveries, *check)

    def check(leaving: LeavingTime, render_seconds: float) -> None:
        leaving._clock = lambda: now
        checked(leaving, render_seconds)

    monkeypatch.setattr(LeavingTime, "set", lambda leaving, _: setattr(leaving, "_ends", 30.0))
    monkeypatch.setattr(LeavingTime, "check", check)
    monkeypatch.setattr(Deliveries, "wait", stopped)
    for job in (first, second):
        enqueue(valkey, job)

    run_worker()

    handed_back = (Outcome.FAILED, "handed_back")
    assert outcomes(valkey) == dict.fromkeys([first.generation_id, second.generation_id], handed_back)


def test_the_limit_of_a_worker_that_leaves_is_of_what_it_delivers_too(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Path
) -> None:
    begin, left = Deliveries.begin, GpuWorker.on_job_left
    kept: list[bool] = []

    def begin_and_stop(deliveries: Deliveries, *begun: Any) -> None:
        begin(deliveries, *begun)
        os.kill(os.getpid(), signal.SIGTERM)

    def look(worker: GpuWorker) -> None:
        left(worker)
        kept.append(worker._leaving.is_set)
        gate.touch()

    monkeypatch.setattr(Deliveries, "begin", begin_and_stop)
    monkeypatch.setattr(GpuWorker, "on_job_left", look)
    enqueue(valkey, overlapping(tmp_path, writing_waits_for=str(gate)))
    run_worker()
    assert kept == [True]


def test_a_stopped_worker_leaves_when_its_delivery_is_over(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path
) -> None:
    job, next_job = overlapping(tmp_path, writing_waits_for=str(gate)), overlapping(tmp_path)
    enqueue(valkey, job)

    def stop() -> None:
        alone = ((job.generation_id, 1),)
        wait_until(lambda: [s.in_hand for s in live_workers(valkey) if s.delivering_id] == [alone])
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: [status.state for status in live_workers(valkey)] == ["draining"])
        enqueue(valkey, next_job)
        gate.touch()

    with beside(stop):
        run_worker(is_burst=False)

    assert outcomes(valkey) == {job.generation_id: DONE}
    assert valkey.lrange("rq:queue:render", 0, -1) == [next_job.job_id.encode()]


def test_a_worker_that_is_about_to_leave_delivers_before_it_looks_further(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeavingTime, "is_set", True)
    for _ in range(2):
        enqueue(valkey, overlapping(tmp_path))
    engine = Noting(valkey)
    run_worker(engine)
    assert engine.unreported == [0, 0]


def test_a_lost_card_takes_no_delivery_along(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path
) -> None:
    first = overlapping(tmp_path, writing_waits_for=str(gate))
    second = overlapping(tmp_path, raises="device_lost")
    for job in (first, second):
        enqueue(valkey, job)

    def open_late() -> None:
        wait_until(lambda: finished_reports(valkey))
        gate.touch()

    with beside(open_late), pytest.raises(SystemExit) as leaving:
        run_worker()

    assert leaving.value.code == EXIT_DEVICE_LOST
    assert outcomes(valkey) == {second.generation_id: (Outcome.FAILED, "device_lost"), first.generation_id: DONE}


def test_a_delivery_that_cannot_be_reported_is_left_to_the_supervisor(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = overlapping(tmp_path), overlapping(tmp_path)
    for job in (first, second):
        enqueue(valkey, job)
    finished, say = Reports.finished, Lifeline.say
    words = Words(Word(None, 60.0), 0.0)

    def unreachable(reports: Reports, report: RenderReport, **others: Any) -> None:
        if report.generation_id == first.generation_id:
            raise redis.ConnectionError("away for a quarter of an hour")
        finished(reports, report, **others)

    def listened(line: Lifeline, job_id: str | None, seconds: float) -> None:
        say(line, job_id, seconds)
        words.hear(line._last, 0.0)

    monkeypatch.setattr(Reports, "finished", unreachable)
    monkeypatch.setattr(Lifeline, "say", listened)
    with pytest.raises(SystemExit) as leaving:
        run_worker()

    assert leaving.value.code == EXIT_UNFINISHED
    assert first.job_id in words.job_ids


def test_what_is_on_the_card_when_a_delivery_breaks_off_is_handed_back(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = overlapping(tmp_path), overlapping(tmp_path, waits_for=str(gate))
    for job in (first, second):
        enqueue(valkey, job)
    finished, say = Reports.finished, Lifeline.say
    said: list[Word] = []

    def unreachable(reports: Reports, report: RenderReport, **others: Any) -> None:
        if report.generation_id == first.generation_id:
            raise redis.ConnectionError("away for a quarter of an hour")
        finished(reports, report, **others)

    def listened(line: Lifeline, job_id: str | None, seconds: float) -> None:
        say(line, job_id, seconds)
        said.append(line._last)
        if line._last == Word(first.job_id, first.timeout_seconds, DELIVERY):
            gate.touch()

    monkeypatch.setattr(Reports, "finished", unreachable)
    monkeypatch.setattr(Lifeline, "say", listened)
    with pytest.raises(SystemExit) as leaving:
        run_worker()

    assert leaving.value.code == EXIT_UNFINISHED
    assert outcomes(valkey) == {second.generation_id: (Outcome.FAILED, "handed_back")}
    assert [word for word in said if word.speaker == DELIVERY][-1].job_id == first.job_id


def test_a_lost_card_is_left_at_once_also_with_a_delivery_unreported(
    settings_of_worker: Settings, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exited(BaseException):
        pass

    def exit_at_once(code: int) -> None:
        raise Exited(code)

    def lose(worker: GpuWorker, **options: Any) -> None:
        worker.is_device_lost = True
        raise SystemExit(EXIT_UNFINISHED)

    monkeypatch.setattr(os, "_exit", exit_at_once)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    monkeypatch.setattr(GpuWorker, "work", lose)
    with pytest.raises(Exited, match=str(EXIT_UNFINISHED)):
        work(settings_of_worker, ScriptedEngine(), None)


def test_a_clip_that_is_delivered_is_in_hand_no_more_while_the_next_is_rendered(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers: list[GpuWorker] = []
    delivering: list[str | None] = []
    started, framed = GpuWorker.on_started, GpuWorker._on_frames

    class Waiting(ScriptedEngine):
        def _act(self, job: RenderJob, step: int) -> None:
            workers[0]._deliveries.wait()
            super()._act(job, step)

    def start(worker: GpuWorker) -> None:
        workers.append(worker)
        started(worker)

    def look(worker: GpuWorker, job: RenderJob, frames: ScriptedFrames) -> None:
        delivering.append(worker.heart.status.delivering_id)
        framed(worker, job, frames)

    monkeypatch.setattr(GpuWorker, "on_started", start)
    monkeypatch.setattr(GpuWorker, "_on_frames", look)
    for _ in range(2):
        enqueue(valkey, overlapping(tmp_path))
    run_worker(Waiting())
    assert delivering == [None, None]


def test_a_killed_worker_s_two_jobs_are_handed_back(
    valkey: redis.Redis, supervise: Callable[..., Supervised], tmp_path: Path, gate: Path
) -> None:
    worker = supervise().worker()
    first = overlapping(tmp_path, writing_waits_for=str(gate))
    second = overlapping(tmp_path, waits_for=str(tmp_path / "never"))
    for job in (first, second):
        enqueue(valkey, job)
    wait_until(lambda: is_on_the_card(valkey, second) and is_being_written(valkey, first))

    worker.kill()

    def lost() -> set[str]:
        return {args[0] for name, args in reports_of(valkey) if name == "worker_lost"}

    wait_until(lambda: lost() == {first.generation_id, second.generation_id})


def test_the_supervisor_waits_for_neither_of_two_longer_than_it_announced() -> None:
    words = Words(Word(None, 60.0), 0.0)
    words.hear(Word("first", 300.0), 10.0)
    words.hear(Word("first", 60.0, DELIVERY), 20.0)
    assert words.job_ids == {"first"}
    words.hear(Word("second", 300.0), 21.0)
    assert words.job_ids == {"first", "second"}
    assert words.first_to_end.ends_at == 80.0  # though the main thread goes on speaking
    words.hear(Word("second", 300.0), 75.0)
    assert words.first_to_end.ends_at == 80.0
    words.hear(Word(None, 0.0, DELIVERY), 79.0)
    assert words.job_ids == {"second"}
    assert words.first_to_end.ends_at == 375.0
