"""Whoever leaves, dies or loses its card while it delivers loses neither that clip nor the one on the card."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from gpu_worker.__main__ import work
from gpu_worker.contract import Outcome, RenderJob, RenderReport
from gpu_worker.delivery import Deliveries
from gpu_worker.leaving import LeavingTime
from gpu_worker.lifeline import DELIVERY, Lifeline, Word, Words
from gpu_worker.liveness import live_workers
from gpu_worker.reports import Reports
from gpu_worker.settings import Settings
from gpu_worker.worker import EXIT_DEVICE_LOST, EXIT_UNFINISHED, GpuWorker
from tests.gpu_worker.conftest import (
    Supervised,
    enqueue,
    finished_reports,
    reports_of,
)
from tests.gpu_worker.overlapping import (
    DONE,
    Noting,
    RunWorker,
    beside,
    gate,
    is_being_written,
    is_on_the_card,
    outcomes,
    overlapping,
    torch_is_loaded,
)
from tests.gpu_worker.scripted import ScriptedEngine, ScriptedFrames
from tests.patience import wait_until

__all__ = ["gate", "torch_is_loaded"]


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
