"""The worker around its jobs: their order, signs of life, commands, and a server that goes away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker import commands
from gpu_worker.contract import ModelSpec, Outcome
from gpu_worker.last_work import process_key
from gpu_worker.liveness import live_workers
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS, worker_key
from gpu_worker.worker import GpuWorker
from loremotion.local.ports import free_port
from loremotion.local.valkey import Valkey
from tests.gpu_worker.conftest import (
    Supervised,
    enqueue,
    finished_reports,
    make_job,
    meanwhile,
    report_status,
    stream_of,
)
from tests.gpu_worker.scripted import ScriptedEngine
from tests.patience import wait_until

RunWorker = Callable[..., GpuWorker]
Supervise = Callable[..., Supervised]


# --- order -----------------------------------------------------------------------------------------------------------


def test_jobs_run_in_line_and_the_engine_knows_what_comes_next(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    for prompt in ("first", "second", "third"):
        enqueue(valkey, make_job(tmp_path, prompt=prompt))
    engine = ScriptedEngine()

    run_worker(engine)

    assert engine.rendered == ["first", "second", "third"]
    assert engine.upcoming_at_render == [["second", "third"], ["third"], []]


def test_the_worker_notes_that_it_works(valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path) -> None:
    enqueue(valkey, make_job(tmp_path))

    run_worker(ScriptedEngine())

    assert valkey.exists(process_key("gpu"))


def test_a_resident_model_goes_first_once_its_pace_is_known(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    for prompt, slug in (("red 1", "red"), ("blue 1", "blue"), ("red 2", "red"), ("blue 2", "blue")):
        enqueue(valkey, make_job(tmp_path, prompt=prompt, slug=slug))
    engine = ScriptedEngine(resident={"red": 6.0})

    run_worker(engine)

    # Unmeasured, "red 1" is no reason to overtake; measured at 0.2 s, the 6 s that a resident "red 2" saves are. The
    # 4 s that it still loads are its own, the 10 s of blue are shared by two.
    assert engine.rendered == ["red 1", "red 2", "blue 1", "blue 2"]


def test_an_engine_that_fails_at_the_pop_does_not_stop_the_line(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    class Choking(ScriptedEngine):
        def loading_seconds(self, model: ModelSpec) -> float:
            raise KeyError("no such family")

        can_hold = loading_seconds  # type: ignore[assignment]

    enqueue(valkey, make_job(tmp_path))

    run_worker(Choking())

    assert finished_reports(valkey)[0].outcome == Outcome.SUCCEEDED


def test_a_job_for_another_card_waits_for_it(valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path) -> None:
    huge, small = make_job(tmp_path, slug="huge"), make_job(tmp_path)
    enqueue(valkey, huge)
    enqueue(valkey, small)
    report_status(valkey, "a larger one", state="busy")

    run_worker(ScriptedEngine(too_large=["huge"]))

    assert [r.generation_id for r in finished_reports(valkey)] == [small.generation_id]
    assert valkey.lrange("rq:queue:render", 0, -1) == [huge.job_id.encode()]


def test_a_job_that_no_live_card_can_hold_is_taken_and_fails_with_the_figure(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    enqueue(valkey, make_job(tmp_path, slug="huge", call={"raises": "does_not_fit"}))

    run_worker(ScriptedEngine(too_large=["huge"]))

    [report] = finished_reports(valkey)
    assert report.error is not None
    assert (report.error.code, report.error.message) == ("does_not_fit", "It needs 80 GiB and the card has 24 GiB")


@pytest.mark.parametrize("function", ["os.system", "gpu_worker.render_job.run"])
def test_what_is_no_render_job_is_refused_and_never_called(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, function: str
) -> None:
    proof = tmp_path / "called"
    queue = Queue("render", connection=valkey, serializer=JSONSerializer)
    job = queue.enqueue_call(function, args=(f"touch {proof}",), job_id="0a-1")

    run_worker()

    [report] = finished_reports(valkey)
    assert not proof.exists()
    assert (report.generation_id, report.attempt, report.outcome) == ("0a", 1, Outcome.FAILED)
    assert report.error is not None
    assert report.error.code == "unreadable_job"
    assert job.get_status() == "failed"
    assert valkey.llen("rq:queue:render:intermediate") == 0


def test_a_snapshot_that_is_too_old_goes_though_no_render_comes(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    files = SnapshotFiles(tmp_path / "cache" / "snapshots", 0.0)
    files.write("old", b"old")
    os.utime(files.of("old")[0], (0, 0))

    run_worker()

    assert files.of("old") == []


# --- signs of life ---------------------------------------------------------------------------------------------------


def test_an_idle_worker_waits_at_the_line_itself_and_is_woken_by_the_job(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    """It asks Valkey once and is answered when a job is there: no pause of a poll lies between."""
    supervise().worker()
    for number in range(3):
        job = make_job(tmp_path)
        wait_until(lambda: [c for c in valkey.client_list() if c["cmd"] == "blmove" and "b" in c["flags"]])
        enqueue(valkey, job)
        wait_until(lambda job=job: valkey.exists(f"generation:{job.generation_id}"))  # type: ignore[misc]
        wait_until(lambda number=number: len(finished_reports(valkey)) > number)  # type: ignore[misc]


def test_a_worker_lives_in_valkey_for_seconds_only_idle_and_busy(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise()
    supervised.worker()
    keys = ["rq:worker:gpu:worker-under-test", worker_key("worker-under-test")]
    assert wait_until(lambda: all(0 < valkey.ttl(key) <= WORKER_DEAD_AFTER_SECONDS for key in keys))
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "gate")})
    rq_job = enqueue(valkey, job)

    busy = wait_until(lambda: next((s for s in live_workers(valkey) if s.state == "busy"), None))

    assert (busy.generation_id, busy.attempt) == (job.generation_id, 1)
    assert all(0 < valkey.ttl(key) <= WORKER_DEAD_AFTER_SECONDS for key in keys)
    [(_, expires_at)] = cast(list[tuple[bytes, float]], valkey.zrange("rq:wip:render", 0, -1, withscores=True))
    assert expires_at <= time.time() + WORKER_DEAD_AFTER_SECONDS + 1
    assert valkey.ttl(f"rq:execution:{rq_job.id}:{rq_job.get_executions()[0].id}") <= WORKER_DEAD_AFTER_SECONDS


def test_a_sign_of_life_is_one_round_trip(
    valkey: redis.Redis, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = run_worker()
    sent: list[Any] = []
    send: Any = redis.Connection.send_packed_command  # it has no types

    def counted(connection: redis.Connection, command: Any, *others: Any, **more: Any) -> None:
        sent.append(command)
        send(connection, command, *others, **more)

    valkey.hset(worker.key, "name", "it had left")
    worker.connection.exists(worker.key)  # connects
    monkeypatch.setattr(redis.Connection, "send_packed_command", counted)
    worker.heartbeat()
    assert len(sent) == 1
    assert 0 < valkey.ttl(worker.key) <= WORKER_DEAD_AFTER_SECONDS


def test_the_status_tells_what_is_resident_and_counted(
    valkey: redis.Redis, supervise: Supervise, tmp_path: Path
) -> None:
    supervise().worker()
    enqueue(valkey, make_job(tmp_path))
    wait_until(lambda: finished_reports(valkey))

    status = wait_until(lambda: next((s for s in live_workers(valkey) if "renders_succeeded" in s.counters), None))

    assert status.device == "scripted card"
    assert (status.used_bytes, status.budget_bytes) == (400_000, 1_000_000)
    assert status.counters["renders_succeeded"] == 1


def test_preload_and_evict_reach_the_engine_between_jobs(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    engine = ScriptedEngine()
    job = make_job(tmp_path, steps=1, call={"waits_for": str(tmp_path / "gate")})
    enqueue(valkey, job)

    def command() -> None:
        wait_until(lambda: live_workers(valkey))
        commands.preload(valkey, "worker-under-test", ModelSpec(slug="blue", version=1, family="ltx", source="blue"))
        commands.evict(valkey, "worker-under-test", "vae:1")
        (tmp_path / "gate").touch()

    commanding = meanwhile(command)
    run_worker(engine)
    commanding.join()

    assert (engine.resident, engine.evicted) == ({"blue": 10.0}, ["vae:1"])


def test_a_command_to_nobody_is_refused(valkey: redis.Redis) -> None:
    with pytest.raises(commands.NoSuchWorker, match="'nobody'; there are: none"):
        commands.evict(valkey, "nobody", "vae:1")


# --- a server that goes away -----------------------------------------------------------------------------------------


def test_a_server_that_comes_back_empty_finds_the_render_finished_and_the_worker_at_work(
    supervise: Supervise, tmp_path: Path
) -> None:
    server = Valkey(tmp_path / "valkey", free_port(), is_durable=False)
    server.start()
    connection = connect(server.url())
    supervised = supervise(REDIS_URL=server.url())
    supervised.connection = connection
    worker = supervised.worker()
    job, next_job = make_job(tmp_path, call={"waits_for": str(tmp_path / "gate"), "at_step": 3}), make_job(tmp_path)
    enqueue(connection, job)
    wait_until(lambda: len(stream_of(connection, job)) >= 4)

    server.stop()
    (tmp_path / "gate").touch()
    clip = tmp_path / job.generation_id / "clip.mp4"
    wait_until(clip.exists)
    server.start()

    [report] = wait_until(lambda: finished_reports(connection))
    assert (report.generation_id, report.outcome) == (job.generation_id, Outcome.SUCCEEDED)
    enqueue(connection, next_job)
    wait_until(lambda: len(finished_reports(connection)) == 2)
    assert wait_until(lambda: live_workers(connection))[0].pid == worker.pid
    assert wait_until(lambda: connection.sismember("rq:workers:render", "rq:worker:gpu:worker-under-test"))
    send_stop = make_job(tmp_path, steps=10_000, call={"step_seconds": 0.005, "at_step": 0})
    enqueue(connection, send_stop)
    wait_until(lambda: len(stream_of(connection, send_stop)) >= 3)
    commands.cancel(connection, send_stop.generation_id)
    assert wait_until(lambda: finished_reports(connection)[2:])[0].outcome == Outcome.CANCELLED
    server.stop()
