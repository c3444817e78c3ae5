"""A worker that has to leave: what ends in time is finished, what would not is handed back at its next step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from gpu_worker import commands
from gpu_worker.__main__ import main
from gpu_worker.between_jobs import BetweenJobs
from gpu_worker.contract import Outcome, Progress, RenderJob
from gpu_worker.error_codes import HANDED_BACK
from gpu_worker.leaving import HandedBack, LeavingTime
from gpu_worker.liveness import live_workers
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job, meanwhile, stream_of
from tests.gpu_worker.scripted import ScriptedClip, ScriptedEngine
from tests.patience import wait_until

RunWorker = Callable[..., GpuWorker]


class Announcing(ScriptedEngine):
    """Says of its steps that they take so long."""

    def __init__(self, seconds_per_step: float) -> None:
        super().__init__()
        self._seconds_per_step = seconds_per_step

    def render(self, job: RenderJob, *, on_progress: Callable[[Progress], None], **others: object) -> ScriptedClip:
        def announced(progress: Progress) -> None:
            on_progress(Progress(**(progress.to_wire() | {"seconds_per_step": self._seconds_per_step})))

        return super().render(job, on_progress=announced, **others)  # type: ignore[arg-type]  # handed on as they came


def sigterm(_: redis.Redis) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stop_and_then_sigterm(valkey: redis.Redis) -> None:
    stop(valkey)
    wait_until(lambda: _is_leaving(valkey))
    sigterm(valkey)


def drain_at_once(valkey: redis.Redis) -> None:
    commands.drain(valkey, "worker-under-test", within_seconds=0.0)


def drain(valkey: redis.Redis) -> None:
    commands.drain(valkey, "worker-under-test")


def stop(valkey: redis.Redis) -> None:
    commands.stop(valkey, "worker-under-test")


@pytest.mark.parametrize(
    ("leave", "grace_seconds", "seconds_per_step", "is_handed_back"),
    [
        (sigterm, "0", 0.0, True),
        (sigterm, "3600", 0.0, False),
        (sigterm, "3600", 3600.0, True),  # it would take longer by what its steps take, so why begin another
        (stop_and_then_sigterm, "0", 0.0, True),  # the host goes down while the fleet's stop waits for the render
        (drain_at_once, "3600", 0.0, True),
        (drain, "0", 3600.0, False),
        (stop, "0", 3600.0, False),
    ],
)
def test_what_would_not_end_in_time_is_handed_back(
    valkey: redis.Redis,
    run_worker: RunWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leave: Callable[[redis.Redis], None],
    grace_seconds: str,
    seconds_per_step: float,
    is_handed_back: bool,
) -> None:
    gate = tmp_path / "gate"
    job = make_job(tmp_path, steps=8, call={"waits_for": str(gate), "at_step": 2})
    files = SnapshotFiles(tmp_path / "cache" / "snapshots", 0.0)
    files.write(job.generation_id, b"of the last step")
    enqueue(valkey, job)
    heard = threading.Event()
    for owner, name in ((LeavingTime, "set"), (BetweenJobs, "receive_command")):
        monkeypatch.setattr(owner, name, _announced(getattr(owner, name), heard))

    def ask() -> None:
        wait_until(lambda: len(stream_of(valkey, job)) >= 3)
        leave(valkey)
        try:
            wait_until(lambda: heard.is_set() or (leave is stop and _is_leaving(valkey)))
        finally:
            gate.touch()

    asking = meanwhile(ask)
    run_worker(Announcing(seconds_per_step), GPU_WORKER_GRACE_SECONDS=grace_seconds)
    asking.join()

    [report] = finished_reports(valkey)
    if is_handed_back:
        assert report.error is not None
        assert (report.outcome, report.error.code, report.error.is_retryable) == (Outcome.FAILED, HANDED_BACK, True)
        assert 1 <= report.steps_done < 8
    else:
        assert (report.outcome, report.steps_done) == (Outcome.SUCCEEDED, 8)
    assert bool(files.of(job.generation_id)) is is_handed_back


DRAIN_AT_ONCE = {"command": commands.DRAIN, "within_seconds": 0.0}
RESUME = {"command": commands.RESUME}


@pytest.mark.parametrize(
    ("heard", "codes"), [([DRAIN_AT_ONCE], [HANDED_BACK, ""]), ([DRAIN_AT_ONCE, RESUME], ["", ""])]
)
def test_a_deadline_that_comes_right_after_the_pop_is_of_that_job(
    valkey: redis.Redis,
    run_worker: RunWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heard: list[dict[str, object]],
    codes: list[str],
) -> None:
    jobs = [make_job(tmp_path) for _ in codes]
    for job in jobs:
        enqueue(valkey, job)
    fetch = GpuWorker.fetch

    def hearing(worker: GpuWorker, job_id: str) -> AllowedJob | None:
        for command in heard if job_id == jobs[0].job_id else ():
            worker.on_command(command)
        return fetch(worker, job_id)

    monkeypatch.setattr(GpuWorker, "fetch", hearing)
    run_worker()

    assert [report.error.code if report.error else "" for report in finished_reports(valkey)] == codes


def _announced(method: Callable[..., None], heard: threading.Event) -> Callable[..., None]:
    def announced(*said: object) -> None:
        method(*said)
        heard.set()

    return announced


def _is_leaving(valkey: redis.Redis) -> bool:
    return [status.state for status in live_workers(valkey)] == ["draining"]


def test_the_sooner_of_two_times_counts_until_there_is_no_hurry() -> None:
    now = 100.0
    leaving = LeavingTime(clock=lambda: now)
    leaving.check(1e9)
    leaving.set(60.0)
    leaving.set(600.0)
    leaving.check(59.0)
    with pytest.raises(HandedBack):
        leaving.check(60.0)
    now = 160.0
    with pytest.raises(HandedBack):
        leaving.check(0.0)
    leaving.clear()
    leaving.check(1e9)


def test_a_deadline_is_one_of_draining(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--within", "5", "--status"])
    assert "--drain" in capsys.readouterr().err
