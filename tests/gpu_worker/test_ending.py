"""How a job ends before its time, one report for each: stopped, cancelled, too late, or by an error."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.command import send_stop_job_command
from rq.serializers import JSONSerializer

from gpu_worker import commands, render_job
from gpu_worker.contract import Outcome
from gpu_worker.deadline import Deadline
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.valkey_names import CANCEL_TTL_SECONDS, cancel_key, holding_key, report_id
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import (
    enqueue,
    finished_reports,
    make_job,
    meanwhile,
    reports_of,
    stream_of,
)
from tests.gpu_worker.scripted import ScriptedEngine
from tests.patience import wait_until

RunWorker = Callable[..., GpuWorker]


def test_the_stop_command_ends_a_render_at_its_next_step(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    job = make_job(tmp_path, steps=2_000, call={"step_seconds": 0.005, "at_step": 0})
    next_job = make_job(tmp_path)
    enqueue(valkey, job)
    enqueue(valkey, next_job)

    def stop() -> None:
        wait_until(lambda: len(stream_of(valkey, job)) >= 5)
        send_stop_job_command(valkey, job.job_id, serializer=JSONSerializer)

    stopping = meanwhile(stop)
    run_worker()
    stopping.join()

    cancelled, succeeded = finished_reports(valkey)
    assert cancelled.outcome == Outcome.CANCELLED
    assert 3 <= cancelled.steps_done < 2_000
    assert (cancelled.steps_total, cancelled.error) == (2_000, None)
    assert succeeded.outcome == Outcome.SUCCEEDED
    assert not (tmp_path / job.generation_id).exists()


def test_an_attempt_that_was_stopped_may_run_again(valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path) -> None:
    job = make_job(tmp_path, steps=100_000, call={"step_seconds": 0.005, "at_step": 0})
    gate = tmp_path / "gate"
    enqueue(valkey, job)
    enqueue(valkey, make_job(tmp_path, call={"waits_for": str(gate)}))

    def stop_and_repeat() -> None:
        wait_until(lambda: len(stream_of(valkey, job)) >= 5)
        send_stop_job_command(valkey, job.job_id, serializer=JSONSerializer)
        assert wait_until(lambda: finished_reports(valkey))[0].outcome == Outcome.CANCELLED
        wait_until(lambda: valkey.zscore("rq:finished:render", job.job_id))
        finished = report_id("finished", job.generation_id, job.attempt, job.secret)
        valkey.delete(f"rq:job:{job.job_id}", f"rq:job:{finished}", "rq:queue:reports")
        enqueue(valkey, replace(job, steps=3, call={}))
        gate.touch()

    stopping = meanwhile(stop_and_repeat)
    run_worker()
    stopping.join()

    assert [r.outcome for r in finished_reports(valkey) if r.generation_id == job.generation_id] == [Outcome.SUCCEEDED]


def test_a_cancel_that_no_command_carried_is_found_as_a_key(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    job = make_job(tmp_path, steps=100_000, call={"step_seconds": 0.005, "at_step": 0})
    enqueue(valkey, job)

    def cancel() -> None:
        wait_until(lambda: len(stream_of(valkey, job)) >= 5)
        valkey.set(cancel_key(job.generation_id), 1, ex=CANCEL_TTL_SECONDS)

    cancelling = meanwhile(cancel)
    run_worker()
    cancelling.join()

    assert finished_reports(valkey)[0].outcome == Outcome.CANCELLED


def test_a_job_cancelled_before_it_begins_ends_at_once(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    job = make_job(tmp_path)
    enqueue(valkey, job)
    commands.cancel(valkey, job.generation_id)
    engine = ScriptedEngine()

    run_worker(engine)

    [(name, _)] = reports_of(valkey)
    [report] = finished_reports(valkey)
    assert (name, engine.rendered) == ("finished", [])
    assert (report.outcome, report.steps_done, report.steps_total) == (Outcome.CANCELLED, 0, 5)


def test_a_stop_command_for_another_job_stops_nothing(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    job = make_job(tmp_path, steps=50, call={"waits_for": str(tmp_path / "gate")})
    enqueue(valkey, job)

    def stop_another() -> None:
        wait_until(lambda: len(stream_of(valkey, job)) >= 2)
        commands.send_command(valkey, "worker-under-test", "stop-job", job_id="another-1")
        commands.send_command(valkey, "worker-under-test", "nonsense")
        valkey.publish("rq:pubsub:gpu:worker-under-test", "{no json")
        (tmp_path / "gate").touch()

    stopping = meanwhile(stop_another)
    run_worker()
    stopping.join()

    assert finished_reports(valkey)[0].outcome == Outcome.SUCCEEDED


def test_a_render_beyond_its_timeout_fails_between_two_steps_and_the_worker_goes_on(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    gate = tmp_path / "gate"
    late = make_job(tmp_path, timeout_seconds=1, call={"waits_for": str(gate), "at_step": 3})
    enqueue(valkey, late)
    enqueue(valkey, make_job(tmp_path))
    monkeypatch.setattr(render_job, "Deadline", lambda seconds: Deadline(seconds, clock=lambda: now))

    def open_late() -> None:
        nonlocal now
        wait_until(lambda: len(stream_of(valkey, late)) >= 4)
        now = 1.0
        gate.touch()

    opening = meanwhile(open_late)
    run_worker()
    opening.join()

    failed, succeeded = finished_reports(valkey)
    assert failed.error is not None
    assert (failed.outcome, failed.error.code, failed.error.is_retryable) == (Outcome.FAILED, "timeout", False)
    assert (failed.steps_done, failed.steps_total) == (3, 5)  # the step under way was finished
    assert failed.stage_seconds["denoising"] > 0
    assert succeeded.outcome == Outcome.SUCCEEDED


def test_an_unforeseen_error_is_reported_without_its_text_and_the_worker_goes_on(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(valkey, make_job(tmp_path, call={"raises": "unforeseen"}))
    enqueue(valkey, make_job(tmp_path))

    run_worker()

    failed, succeeded = finished_reports(valkey)
    assert failed.error is not None
    assert (failed.error.code, failed.error.is_retryable) == ("internal", False)
    assert "secret" not in failed.error.message
    assert "ZeroDivisionError" in caplog.text
    assert succeeded.outcome == Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({}, False),
        ({"call": {"raises": "unforeseen"}}, False),
        (
            {"outputs": {"clip": f"file:///proc/{uuid.uuid4()}/clip.mp4"}},
            True,
        ),  # the clip is made, and could not be stored
    ],
    ids=["a clip", "a failure", "a failure that another attempt may mend"],
)
def test_what_is_kept_of_a_render_goes_unless_another_attempt_may_come(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, changes: dict[str, Any], is_kept: bool
) -> None:
    job = make_job(tmp_path, **changes)
    files = SnapshotFiles(tmp_path / "cache" / "snapshots", 0.0)
    files.write(job.generation_id, b"snapshot")
    enqueue(valkey, job)
    run_worker(GPU_WORKER_TRANSFER_ATTEMPTS="1")
    assert bool(files.of(job.generation_id)) is is_kept


def test_every_attempt_ends_in_one_report_and_leaves_nothing_in_hand(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    scripts = [{}, {"raises": "unforeseen"}, {"raises": "does_not_fit"}]
    jobs = [make_job(tmp_path, call=script) for script in scripts]
    jobs.append(make_job(tmp_path, outputs={"clip": "ftp://nowhere/clip.mp4"}))
    jobs.append(make_job(tmp_path, inputs={"image": (tmp_path / str(uuid.uuid4()) / "image.png").as_uri()}))
    for job in jobs:
        enqueue(valkey, job)

    run_worker()

    assert [r.generation_id for r in finished_reports(valkey)] == [job.generation_id for job in jobs]
    assert [name for name, _ in reports_of(valkey)].count("started") == len(jobs)
    assert valkey.llen("rq:queue:render:intermediate") == 0
    assert not valkey.exists(holding_key("worker-under-test"))
    assert valkey.zcard("rq:wip:render") == 0
    assert list((tmp_path / "cache" / "scratch" / "worker-under-test").iterdir()) == []
