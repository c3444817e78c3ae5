"""A real supervisor over a real worker process, one of which is killed, hangs, or is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from gpu_worker import commands, host_faults
from gpu_worker.contract import Outcome
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.liveness import live_workers
from gpu_worker.supervisor import _delay_seconds
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import drain_key, holding_key, worker_key
from gpu_worker.worker_status import WorkerStatus
from loremotion.local.ports import free_port
from loremotion.local.valkey import Valkey
from tests.gpu_worker.conftest import (
    Supervised,
    enqueue,
    finished_reports,
    make_job,
    reports_of,
    stream_of,
)
from tests.patience import PATIENCE_SECONDS, wait_until

Supervise = Callable[..., Supervised]


def lost_reports(connection: redis.Redis) -> list[list[object]]:
    return [args for name, args in reports_of(connection) if name == "worker_lost"]


def test_it_works(valkey: redis.Redis, supervise: Supervise, tmp_path: Path) -> None:
    supervised = supervise()
    supervised.worker()
    job = make_job(tmp_path)
    enqueue(valkey, job)

    [report] = wait_until(lambda: finished_reports(valkey))
    supervised.process.terminate()

    assert report.outcome == Outcome.SUCCEEDED
    assert supervised.process.wait(PATIENCE_SECONDS) == 0, supervised.log()
    assert live_workers(valkey) == []
    assert lost_reports(valkey) == []


def test_the_address_of_valkey_is_not_where_what_a_worker_starts_could_read_it(supervise: Supervise) -> None:
    environment = supervise().worker().environ()
    assert "GPU_WORKER_NAME" in environment
    assert not [name for name, value in environment.items() if "redis://" in value]


def test_a_worker_killed_mid_render_is_reported_and_replaced(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise()
    worker = supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never")}, secret="of the attempt")
    next_job = make_job(tmp_path)
    rq_job = enqueue(valkey, job)
    wait_until(lambda: len(stream_of(valkey, job)) >= 2)

    worker.kill()
    [lost] = wait_until(lambda: lost_reports(valkey))
    enqueue(valkey, next_job)
    [report] = wait_until(lambda: finished_reports(valkey))

    # How it ended knows only who saw it end: whoever misses its heartbeat has another reason to give.
    assert lost == [job.generation_id, 1, "worker-under-test", "its process was killed by SIGKILL", job.secret]
    assert job.secret not in supervised.log()
    assert report.generation_id == next_job.generation_id
    assert rq_job.get_status() == "failed"
    assert rq_job.get_executions() == []
    assert supervised.replacement_of(worker).is_running()


def test_a_worker_killed_while_valkey_is_away_is_reported_once_it_is_back(supervise: Supervise, tmp_path: Path) -> None:
    """The server comes back empty: only the lifeline still knows what was in hand."""
    server = Valkey(tmp_path / "valkey", free_port(), is_durable=False)
    server.start()
    connection = connect(server.url())
    supervised = supervise(REDIS_URL=server.url())
    supervised.connection = connection
    worker = supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never")})
    enqueue(connection, job)
    wait_until(lambda: len(stream_of(connection, job)) >= 2)

    server.stop()
    worker.kill()
    wait_until(lambda: "trying again" in supervised.log())
    server.start()

    assert [args[:2] for args in wait_until(lambda: lost_reports(connection))] == [[job.generation_id, 1]]
    assert supervised.replacement_of(worker).is_running()
    server.stop()


def test_a_worker_that_makes_no_progress_is_replaced(valkey: redis.Redis, supervise: Supervise, tmp_path: Path) -> None:
    supervised = supervise(GPU_WORKER_STALL_SECONDS="1")
    worker = supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never"), "at_step": 3})
    enqueue(valkey, job)

    [lost] = wait_until(lambda: lost_reports(valkey))

    assert lost == [job.generation_id, 1, "worker-under-test", "it was silent for 1 s and had to be killed"]
    assert not worker.is_running()
    assert supervised.replacement_of(worker).is_running()


def test_a_frozen_worker_is_replaced_although_its_heartbeat_thread_lives(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    """The render hangs, the thread beats on: alive in Valkey, dead to the lifeline."""
    supervised = supervise(GPU_WORKER_STALL_SECONDS="1")
    supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never"), "at_step": 3})
    supervised.process.send_signal(signal.SIGSTOP)  # so that the heartbeat can be seen before the worker is killed
    enqueue(valkey, job)
    first = wait_until(lambda: next((s for s in live_workers(valkey) if s.generation_id), None))

    beat = wait_until(lambda: next((s for s in live_workers(valkey) if s.beat_at > first.beat_at), None))
    supervised.process.send_signal(signal.SIGCONT)

    assert beat.generation_id == job.generation_id
    [lost] = wait_until(lambda: lost_reports(valkey))
    assert lost == [job.generation_id, 1, "worker-under-test", "it was silent for 1 s and had to be killed"]


def test_a_lost_device_is_reported_and_the_process_replaced(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise()
    worker = supervised.worker()
    enqueue(valkey, make_job(tmp_path, call={"raises": "device_lost"}))

    [report] = wait_until(lambda: finished_reports(valkey))
    wait_until(lambda: not worker.is_running())

    assert report.outcome == Outcome.FAILED
    assert report.error is not None
    assert (report.error.code, report.error.is_retryable) == ("device_lost", True)
    assert supervised.replacement_of(worker).is_running()
    assert lost_reports(valkey) == []


def test_sigterm_lets_the_render_finish_and_takes_no_other(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise()
    supervised.worker()
    gate = tmp_path / "gate"
    job, next_job = make_job(tmp_path, call={"waits_for": str(gate)}), make_job(tmp_path)
    enqueue(valkey, job)
    enqueue(valkey, next_job)
    wait_until(lambda: len(stream_of(valkey, job)) >= 2)

    supervised.process.terminate()
    wait_until(lambda: [s.state for s in live_workers(valkey)] == ["draining"])
    gate.touch()

    assert supervised.process.wait(PATIENCE_SECONDS) == 0
    assert [(r.generation_id, r.outcome) for r in finished_reports(valkey)] == [(job.generation_id, Outcome.SUCCEEDED)]
    assert lost_reports(valkey) == []
    assert valkey.lrange("rq:queue:render", 0, -1) == [next_job.job_id.encode()]


def test_a_render_that_outlives_the_grace_is_handed_back(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise(GPU_WORKER_GRACE_SECONDS="0.5")
    supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never")})
    enqueue(valkey, job)
    wait_until(lambda: len(stream_of(valkey, job)) >= 2)

    supervised.process.terminate()

    assert supervised.process.wait(PATIENCE_SECONDS) == 0
    assert lost_reports(valkey) == [
        [job.generation_id, 1, "worker-under-test", "it was stopped before the render was done"]
    ]


def test_ctrl_c_stops_at_once_and_leaves_no_orphan(valkey: redis.Redis, supervise: Supervise, tmp_path: Path) -> None:
    supervised = supervise(GPU_WORKER_GRACE_SECONDS="3600")  # what would let the render end first
    worker = supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never")}, timeout_seconds=3600)
    enqueue(valkey, job)
    wait_until(lambda: len(stream_of(valkey, job)) >= 2)

    supervised.process.send_signal(signal.SIGINT)

    assert supervised.process.wait(PATIENCE_SECONDS) == 0
    assert not worker.is_running()
    assert [args[0] for args in lost_reports(valkey)] == [job.generation_id]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel kills the child on Linux only")
def test_a_killed_supervisor_takes_its_worker_along_and_the_next_one_hands_the_job_back(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise()
    worker = supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never")})
    enqueue(valkey, job)
    wait_until(lambda: len(stream_of(valkey, job)) >= 2)

    supervised.process.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert lost_reports(valkey) == []
    supervise()

    [lost] = wait_until(lambda: lost_reports(valkey))
    assert lost == [job.generation_id, 1, "worker-under-test", "its host or its supervisor ended"]
    assert wait_until(lambda: not valkey.exists(holding_key("worker-under-test")))


def test_what_was_popped_and_never_begun_is_handed_back(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    """As a worker leaves it that dies between the pop and its first line of work."""
    job = make_job(tmp_path)
    enqueue(valkey, job)
    valkey.lmove("rq:queue:render", "rq:queue:render:intermediate")
    valkey.set(holding_key("worker-under-test"), job.job_id)

    supervise()

    assert wait_until(lambda: lost_reports(valkey))[0][:2] == [job.generation_id, 1]
    wait_until(lambda: not valkey.exists(holding_key("worker-under-test")))
    assert valkey.llen("rq:queue:render:intermediate") == 0
    assert Job.fetch(job.job_id, connection=valkey, serializer=JSONSerializer).get_status() == "failed"


def test_a_second_supervisor_of_the_same_name_is_refused(valkey: redis.Redis, supervise: Supervise) -> None:
    supervise().worker()

    second = supervise()

    assert second.process.wait(PATIENCE_SECONDS) == os.EX_UNAVAILABLE
    assert "Set GPU_WORKER_NAME for a second one" in second.log()


def test_a_live_worker_of_the_same_name_on_another_host_is_respected(valkey: redis.Redis, supervise: Supervise) -> None:
    elsewhere = WorkerStatus(name="worker-under-test", host="elsewhere", pid=1, device="x", budget_bytes=1)
    heart = Heartbeat(valkey, elsewhere, also=lambda: None, interval_seconds=0.2)
    heart.start()

    refused = supervise()

    assert refused.process.wait(PATIENCE_SECONDS) == os.EX_UNAVAILABLE
    assert "alive on host 'elsewhere'" in refused.log()
    heart.stop()
    assert valkey.get(worker_key("worker-under-test")) is None


def test_settings_that_cannot_work_end_the_supervisor_instead_of_a_loop(
    valkey: redis.Redis, supervise: Supervise
) -> None:
    supervised = supervise(sys.executable, "-c", f"raise SystemExit({os.EX_CONFIG})")
    assert supervised.process.wait(PATIENCE_SECONDS) == os.EX_CONFIG
    assert host_faults.sentences(valkey) == ["worker-under-test cannot start with its settings"]


def test_the_website_is_told_of_a_worker_that_dies_again_and_again(valkey: redis.Redis, supervise: Supervise) -> None:
    supervise(sys.executable, "-c", "raise SystemExit(1)")
    wait_until(lambda: host_faults.sentences(valkey) == ["worker-under-test dies again and again"])


def test_a_device_that_is_gone_after_a_crash_is_waited_for(supervise: Supervise, tmp_path: Path) -> None:
    """The first start works, the second does not find the card, the third does."""
    starts = tmp_path / "starts"
    code = (
        f"import pathlib, sys, time; starts = pathlib.Path({str(starts)!r}); "
        "n = len(starts.read_text()) if starts.exists() else 0; starts.write_text('x' * (n + 1)); "
        f"sys.exit([1, {os.EX_CONFIG}, 0][n])"
    )
    supervised = supervise(sys.executable, "-c", code)
    assert supervised.process.wait(PATIENCE_SECONDS) == 0
    assert starts.read_text() == "xxx"


def test_a_worker_that_dies_at_every_start_is_retried_ever_more_slowly() -> None:
    delays = [_delay_seconds(deaths) for deaths in range(1, 12)]
    assert delays[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == 30.0


def test_a_start_that_hangs_is_ended(supervise: Supervise) -> None:
    supervised = supervise(sys.executable, "-c", "import time; time.sleep(30)", GPU_WORKER_START_SECONDS="1")
    wait_until(lambda: "it was silent for 1 s" in supervised.log())


def test_what_a_worker_started_dies_with_it(supervise: Supervise, tmp_path: Path) -> None:
    """Compilers and encoders that a render started are in its process group."""
    pid_file = tmp_path / "pid"
    code = (
        "import pathlib, subprocess, time; child = subprocess.Popen(['sleep', '600']); "
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid)); time.sleep(600)"
    )
    supervised = supervise(sys.executable, "-c", code)
    grandchild = psutil.Process(int(wait_until(lambda: pid_file.read_text() if pid_file.exists() else None)))

    supervised.process.send_signal(signal.SIGHUP)

    assert supervised.process.wait(PATIENCE_SECONDS) == 0
    wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_record_that_cannot_be_read_does_not_end_the_supervisor(valkey: redis.Redis, supervise: Supervise) -> None:
    valkey.set(holding_key("worker-under-test"), "0a-1")
    valkey.hset("rq:job:0a-1", mapping={"created_at": "yesterday", "data": "\x00"})

    supervised = supervise()

    assert supervised.worker().is_running()
    assert [args[:2] for args in lost_reports(valkey)] == [["0a", 1]]


def test_what_others_say_it_held_does_not_end_the_supervisor_where_nobody_can_read_it(
    valkey: redis.Redis, supervise: Supervise
) -> None:
    valkey.set(holding_key("worker-under-test"), b"\xff")
    valkey.sadd("rq:worker:gpu:worker-under-test:executions", b"\xff", "odd")
    assert supervise().worker().is_running()
    assert lost_reports(valkey) == []


def test_the_stop_command_ends_worker_and_supervisor(valkey: redis.Redis, supervise: Supervise) -> None:
    supervised = supervise()
    supervised.worker()

    commands.stop(valkey, "worker-under-test")

    assert supervised.process.wait(PATIENCE_SECONDS) == 0
    assert "was told through Valkey to stop" in supervised.log()
    assert live_workers(valkey) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_somebody_else_ends_is_replaced(
    valkey: redis.Redis, supervise: Supervise, number: signal.Signals
) -> None:
    """Also where it leaves in good order: only its supervisor and the fleet may mean that it is to stay away."""
    supervised = supervise()
    worker = supervised.worker()

    worker.send_signal(number)

    assert supervised.replacement_of(worker).is_running()
    assert f"is replaced: {number.name} was sent to its process alone" in supervised.log()


def test_a_drained_worker_takes_nothing_also_after_a_restart(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise()
    worker = supervised.worker()
    commands.drain(valkey, "worker-under-test")
    wait_until(lambda: [s.state for s in live_workers(valkey)] == ["draining"])
    worker.kill()
    supervised.replacement_of(worker)
    job = make_job(tmp_path)
    enqueue(valkey, job)
    wait_until(lambda: [s.state for s in live_workers(valkey)] == ["draining"])
    assert valkey.llen("rq:queue:render") == 1

    commands.resume(valkey, "worker-under-test")

    assert wait_until(lambda: finished_reports(valkey))[0].outcome == Outcome.SUCCEEDED
    assert not valkey.exists(drain_key("worker-under-test"))
    assert wait_until(lambda: [s.state for s in live_workers(valkey)] == ["idle"])
