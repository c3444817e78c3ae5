"""Valkey lets a GPU host render, and lets no host keep another from it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from redis.exceptions import NoPermissionError

from gpu_worker.__main__ import main
from gpu_worker.contract import Outcome
from gpu_worker.job_choice import Bounds
from gpu_worker.liveness import live_workers
from gpu_worker.reports import Reports
from gpu_worker.rq_seams import dead_worker, scripts
from gpu_worker.rq_seams.render_queue import RenderQueue
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import (
    REMOTE_QUEUE,
    RENDER_FUNCTION,
    RENDER_QUEUE,
    cancel_key,
    holding_key,
    progress_key,
    worker_key,
)
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import Supervised, enqueue, finished_reports, make_job, reports_of, stream_of
from tests.gpu_worker.scripted import ScriptedEngine
from tests.gpu_worker.valkey_users import CLIP, refusal, told, user_of
from tests.patience import wait_until
from tests.queues.records import call, write

# --- what it needs -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_refused")
def test_renders_of_every_kind_come_to_their_end(
    valkey: redis.Redis, fleet_url: str, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    cancelled = make_job(tmp_path)
    valkey.set(cancel_key(cancelled.generation_id), 1)
    for script in ({}, {"raises": "unforeseen"}, {"raises": "does_not_fit"}):
        enqueue(valkey, make_job(tmp_path, call=script))
    enqueue(valkey, cancelled)
    unreadable = make_job(tmp_path)
    write(valkey, RENDER_QUEUE, unreadable.job_id, call(RENDER_FUNCTION, {"no": "render"}))

    run_worker(REDIS_URL=fleet_url)

    outcomes = [report.outcome for report in finished_reports(valkey)]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.FAILED, Outcome.CANCELLED, Outcome.FAILED]
    assert [name for name, _ in reports_of(valkey)].count("started") == 3
    assert valkey.zcard("rq:finished:render") == 4
    assert valkey.llen("rq:queue:render") == valkey.llen("rq:queue:render:intermediate") == 0


@pytest.mark.usefixtures("nothing_refused")
def test_a_worker_that_dies_is_reported_and_replaced(
    valkey: redis.Redis, fleet_url: str, supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    supervised = supervise(REDIS_URL=fleet_url)
    worker = supervised.worker()
    job = make_job(tmp_path, call={"waits_for": str(tmp_path / "never")}, secret="of the attempt")
    rq_job = enqueue(valkey, job)
    wait_until(lambda: len(stream_of(valkey, job)) >= 2)

    worker.kill()

    wait_until(lambda: [args for name, args in reports_of(valkey) if name == "worker_lost"])
    assert wait_until(lambda: rq_job.get_status() == "failed")
    assert supervised.replacement_of(worker).is_running()
    supervised.process.terminate()
    supervised.process.wait()
    assert live_workers(valkey) == []


@pytest.mark.usefixtures("nothing_refused")
def test_what_others_left_behind_is_cleared_away(
    valkey: redis.Redis, fleet_url: str, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    abandoned, stuck = make_job(tmp_path), make_job(tmp_path)
    for job, status in ((abandoned, "started"), (stuck, "queued")):
        write(valkey, RENDER_QUEUE, job.job_id, call(RENDER_FUNCTION, job.to_wire()), is_in_line=False, status=status)
    valkey.zadd("rq:wip:render", {f"{abandoned.job_id}:1": 1})
    valkey.rpush("rq:queue:render:intermediate", stuck.job_id)
    valkey.set(f"rq:queue:render:intermediate:first_seen:{stuck.job_id}", time.time() - 3_600)
    valkey.sadd("rq:workers:render", "rq:worker:gpu:of-yesterday", "rq:worker:of-the-last-release", "rq:queue:mail")

    run_worker(REDIS_URL=fleet_url)

    for job in (abandoned, stuck):
        assert valkey.hget(f"rq:job:{job.job_id}", "status") == b"failed"
    assert valkey.zcard("rq:wip:render") == valkey.llen("rq:queue:render:intermediate") == 0
    assert valkey.smembers("rq:workers:render") == set()


def test_a_user_of_one_host_renders_as_well(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    enqueue(valkey, make_job(tmp_path))
    valkey.sadd("rq:workers:render", "rq:worker:gpu:another")
    with user_of(valkey, "worker-under-test") as url:
        run_worker(REDIS_URL=url)
        dead_worker.clear(redis.Redis.from_url(url), "worker-under-test")
        assert told(valkey, "ACL", "LOG") == []
    assert [report.outcome for report in finished_reports(valkey)] == [Outcome.SUCCEEDED]


def test_a_remote_worker_reaches_its_own_line_and_not_the_cards(valkey: redis.Redis) -> None:
    with user_of(valkey, "far-1", REMOTE_QUEUE):
        for command, may in (
            (("BLMOVE", "rq:queue:remote", "rq:queue:remote", "LEFT", "LEFT", "1"), True),
            (("SET", f"generation:{CLIP}:remote", "x"), True),
            (("SET", "process:remote", "x"), True),
            (("SET", worker_key("far-1"), "x"), True),
            (("SET", worker_key("far-2"), "x"), False),
            (("BLMOVE", "rq:queue:render", "rq:queue:render", "LEFT", "LEFT", "1"), False),
            (("LRANGE", "rq:queue:render", "0", "-1"), False),
            (("SET", "process:gpu", "x"), False),
            (("RPUSH", "rq:queue:remote", "x"), False),
        ):
            assert (not refusal(valkey, *command)) is may, command
    with user_of(valkey, "gpu-1"):
        assert refusal(valkey, "LRANGE", "rq:queue:remote", "0", "-1")
        assert refusal(valkey, "GET", f"generation:{CLIP}:remote")


def test_the_host_is_told_that_it_may_look_at_the_fleet_and_not_command_it(
    valkey: redis.Redis, fleet_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", fleet_url)
    assert main(["--status"]) == os.EX_OK
    assert main(["--drain", "another"]) == os.EX_NOPERM
    said = capsys.readouterr()
    assert said.out == "No GPU worker is alive.\n"
    assert said.err.startswith("The user in REDIS_URL may render")
    assert valkey.keys("gpu:worker:another*") == []


def test_what_it_may_not_read_leaves_the_line(
    valkey: redis.Redis, fleet_url: str, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    """A job of the last release, whose id tells nothing: the website puts it in line anew."""
    job = make_job(tmp_path)
    write(valkey, RENDER_QUEUE, f"{job.generation_id}-1", call(RENDER_FUNCTION, job.to_wire()))
    valkey.zadd("rq:wip:render", {f"{job.generation_id}-1:1": 1})
    good = make_job(tmp_path)
    enqueue(valkey, good)
    engine = ScriptedEngine()

    run_worker(engine, REDIS_URL=fleet_url)

    assert engine.rendered == [good.prompt]
    assert valkey.llen("rq:queue:render") == valkey.zcard("rq:wip:render") == 0
    assert valkey.exists(f"rq:job:{job.generation_id}-1")


# --- scripts -----------------------------------------------------------------------------------------------------


def test_no_script_of_its_own_keeps_others_from_valkey(valkey: redis.Redis, host: redis.Redis) -> None:
    for_ever = "while true do end"
    with pytest.raises(NoPermissionError):
        host.script_load(for_ever)
    with pytest.raises(NoPermissionError):
        host.eval(for_ever, 0)
    assert valkey.ping()


def test_a_worker_waits_for_the_scripts_that_valkey_forgot(
    valkey: redis.Redis, host: redis.Redis, tmp_path: Path
) -> None:
    job = make_job(tmp_path)
    enqueue(valkey, job)
    line = RenderQueue(host, "worker-under-test", Bounds(window=5, max_skips=3))
    valkey.script_flush()
    with pytest.raises(Unreachable, match="beat loads them"):
        line.window()
    scripts.load(valkey)
    assert [waiting.job_id for waiting in line.window()] == [job.job_id]
    assert line.take(job.job_id)


def test_a_report_waits_for_them_too(valkey: redis.Redis, host: redis.Redis) -> None:
    valkey.script_flush()
    reports = Reports(host, "worker-under-test", pause=lambda _: scripts.load(valkey))
    reports.lost(f"render-{CLIP}-1", "it fell silent")
    assert [name for name, _ in reports_of(valkey)] == ["worker_lost"]


# --- other kinds of values than are expected -----------------------------------------------------------------------


WRITES: list[tuple[str, ...]] = [
    ("SET", "odd"),
    ("HSET", "odd", "odd"),
    ("SADD", "odd"),
    ("ZADD", "1", "odd"),
    ("RPUSH", "odd"),
    ("XADD", "*", "odd", "odd"),
]


def keys_of(worker: str, job_id: str) -> list[str]:
    """Every key that a render of this worker has to do with."""
    job, of_rq, registration = f"rq:job:{job_id}", f"{job_id}:execution", f"rq:worker:gpu:{worker}"
    return [
        *(job, f"{job}:dependents", f"{job}:dependencies", f"rq:job::{job_id}", f"rq:execution:{of_rq}"),
        *(f"rq:executions:{job_id}", f"rq:results:{job_id}", "rq:wip:render", "rq:finished:render"),
        *("rq:failed:render", "rq:clean_registries:render", "rq:workers:render", registration),
        *(f"{registration}:executions", "gpu:workers", worker_key(worker), holding_key(worker), "process:gpu"),
        *("rq:queue:render", "rq:queue:render:intermediate", f"rq:queue:render:intermediate:first_seen:{job_id}"),
        *("rq:queue:reports", progress_key(CLIP)),
    ]


@pytest.mark.parametrize("command", WRITES, ids=lambda command: command[0])
def test_no_kind_of_value_under_its_keys_stops_another_worker(
    valkey: redis.Redis, host: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path, command: tuple[str]
) -> None:
    """Hosts that share a user write under each other's names."""
    job = make_job(tmp_path)
    written = []
    for key in keys_of("worker-under-test", job.job_id):
        with suppress(NoPermissionError):
            told(host, command[0], key, *command[1:])
            written.append(key)
    assert written
    dead_worker.fail(valkey, job.job_id, "it fell silent")
    dead_worker.clear(valkey, "worker-under-test")
    valkey.delete(f"rq:job:{job.job_id}")
    good = make_job(tmp_path)
    enqueue(valkey, good)
    engine = ScriptedEngine()
    run_worker(engine)
    assert engine.rendered == [good.prompt]
