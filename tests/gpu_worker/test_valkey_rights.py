"""Valkey keeps a GPU host from all that is no concern of its own, and lets it render.

Every command that the server knows is tried in every category, and every class of keys that the website has.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings
from redis.exceptions import NoPermissionError

from gpu_worker.__main__ import main
from gpu_worker.contract import (
    REMOTE_QUEUE,
    RENDER_FUNCTION,
    RENDER_QUEUE,
    Outcome,
    cancel_key,
    holding_key,
    progress_key,
    worker_key,
)
from gpu_worker.host_faults import fault_key
from gpu_worker.job_choice import Bounds
from gpu_worker.liveness import live_workers
from gpu_worker.reports import Reports
from gpu_worker.rq_seams import dead_worker, scripts, valkey_rights
from gpu_worker.rq_seams.render_queue import RenderQueue
from gpu_worker.valkey import Unreachable
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import Supervised, enqueue, finished_reports, make_job, reports_of, stream_of
from tests.gpu_worker.scripted import ScriptedEngine
from tests.patience import wait_until
from tests.queues.records import call, write

PASSWORD = "of the fleet"
CLIP = "5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1"

CATEGORIES = (
    *("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"),
    *("stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"),
)
FOREIGN = [
    "rq:queue:mail",
    "rq:queue:stripe",
    "rq:queue:webhooks",
    "rq:queue:signing",
    "rq:queue:signing:intermediate",
    "rq:wip:signing",
    "rq:job:signing-5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1-1",
    "rq:queue:mail:intermediate",
    "rq:queue:reports:intermediate",
    f"rq:job:{CLIP}",
    "rq:job:letter-7-0-29000000",
    "rq:job:letter-7-0-29000000:dependents",
    "rq:results:letter-7-0-29000000",
    "rq:execution:letter-7-0-29000000:1",
    "rq:executions:letter-7-0-29000000",
    "rq:wip:mail",
    "rq:wip:reports",
    "rq:finished:reports",
    "rq:failed:mail",
    "rq:workers",
    "rq:workers:mail",
    "rq:worker:5e0a4b685c554d0f9c3b0d4c57d1f7b1",
    "rq:worker:5e0a4b685c554d0f9c3b0d4c57d1f7b1:executions",
    "rq:queues",
    "rq:suspended",
    "rq:groups",
    "rq:clean_registries:mail",
    "rq:scheduled:mail",
    "rq:rl:mail",
    "cache:1:limit",
    "process:web",
    "process:told",
    "device-login:code:BCDF",
    "limits:making:key:1",
    "limits:report:of-a-network",
    "crowds:newcomers:of-a-network",
    "crowds:used:a-challenge",
    "refused:a-sending",
    "traces:again",
    f"popped:render-{CLIP}-1",
    "alert:a-kind",
    "forecast:clips",
    "forecast:places",
    "anything",
]
OF_THE_FLEET = re.compile(r"gpu:|process:gpu$|generation:|rq:[a-z_]+::?(render|reports|gpu)\b")
TOUCHES: list[tuple[str, ...]] = [
    ("GET",),
    ("SET", "1"),
    ("DEL",),
    ("UNLINK",),
    ("EXISTS",),
    ("EXPIRE", "1"),
    ("PERSIST",),
    ("TYPE",),
    ("DUMP",),
    ("WATCH",),
    ("HGETALL",),
    ("HSET", "status", "failed"),
    ("LRANGE", "0", "-1"),
    ("LREM", "0", "x"),
    ("RPUSH", "x"),
    ("LPUSH", "x"),
    ("LPOP",),
    ("SADD", "x"),
    ("SREM", "x"),
    ("SMEMBERS",),
    ("ZADD", "1", "x"),
    ("ZREM", "x"),
    ("ZRANGE", "0", "-1"),
    ("XADD", "*", "event", "done"),
    ("XRANGE", "-", "+"),
]


@pytest.fixture
def fleet_url(valkey: redis.Redis) -> Iterator[str]:
    """The address of the run's Valkey for every GPU host."""
    with user_of(valkey, valkey_rights.ANY_WORKER) as url:
        yield url


@contextmanager
def user_of(valkey: redis.Redis, worker: str, queue: str = RENDER_QUEUE) -> Iterator[str]:
    """The address under a user for this worker, until the end."""
    told(valkey, "ACL", "SETUSER", *valkey_rights.user_line(PASSWORD, worker=worker, queue=queue).split()[1:])
    scripts.load(valkey)
    told(valkey, "ACL", "LOG", "RESET")
    parts = urlsplit(django_settings.REDIS_URL)
    try:
        yield f"redis://{valkey_rights.USER}:{quote(PASSWORD)}@{parts.hostname}:{parts.port}{parts.path}"
    finally:
        told(valkey, "ACL", "DELUSER", valkey_rights.USER)


@pytest.fixture
def nothing_refused(valkey: redis.Redis, fleet_url: str) -> Iterator[None]:
    yield
    assert told(valkey, "ACL", "LOG") == []


@pytest.fixture
def host(fleet_url: str) -> Iterator[redis.Redis]:
    """Whoever has taken over a GPU host."""
    with redis.Redis.from_url(fleet_url) as connection:
        yield connection


def told(connection: Any, *command: Any) -> Any:
    """What the server answers to a command in its own words."""
    return connection.execute_command(*command)


def refusal(valkey: redis.Redis, *command: Any) -> str:
    """Why the user may not run it; empty where it may."""
    answer = told(valkey, "ACL", "DRYRUN", valkey_rights.USER, *command)
    return "" if answer in (b"OK", True) else answer.decode()


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


# --- what it is kept from ----------------------------------------------------------------------------------------


def test_the_categories_are_those_of_the_server(valkey: redis.Redis) -> None:
    assert {name.decode() for name in told(valkey, "ACL", "CAT")} == set(CATEGORIES)


@pytest.mark.usefixtures("fleet_url")
@pytest.mark.parametrize("category", CATEGORIES)
def test_no_command_reaches_the_keys_of_the_website(valkey: redis.Redis, category: str) -> None:
    without_keys = {*valkey_rights.WITHOUT_KEYS.split(), "reset"} - {"subscribe"}  # whose channel is a key of a kind
    commands = [name.decode() for name in told(valkey, "ACL", "CAT", category)]
    assert commands
    for name in commands:
        if any(other.startswith(f"{name}|") for other in commands):
            continue  # no command, but the name of several
        refused = refusal(valkey, *name.split("|"), *foreign_arguments(valkey, name))
        assert bool(refused) != (name in without_keys), f"{name}: {refused}"


def foreign_arguments(valkey: redis.Redis, name: str) -> list[str]:
    """As many keys of the website's as the command takes."""
    if name.startswith(("eval", "fcall")):
        return ["code", "1", "rq:queue:mail"]
    for count in range(12):
        arguments = ["rq:queue:mail"] * count
        try:
            refusal(valkey, *name.split("|"), *arguments)
        except redis.ResponseError as problem:
            if "wrong number of arguments" not in str(problem):
                raise
        else:
            return arguments
    raise AssertionError(f"{name} takes more")


def test_the_line_of_every_queue_of_the_website_is_tried() -> None:
    """A host may put reports into that of ``reports``, and no more."""
    assert {f"rq:queue:{name}" for name in django_settings.QUEUE_JOBS} - set(FOREIGN) == {"rq:queue:reports"}


def test_all_that_it_may_touch_is_called_after_it() -> None:
    """So a key of the website's under another name is refused, also one that nobody has added to the list."""
    patterns = [key for right in valkey_rights.rights() for key in f"{right.keys} {right.read} {right.write}".split()]
    assert patterns
    assert [key for key in patterns if not OF_THE_FLEET.match(key)] == []
    assert [key for key in FOREIGN if re.match("gpu:|generation:", key)] == []


@pytest.mark.parametrize("key", FOREIGN)
def test_what_is_the_websites_is_refused_and_stays_as_it_was(valkey: redis.Redis, host: redis.Redis, key: str) -> None:
    valkey.set(key, "the website's")
    for command, *more in TOUCHES:
        with pytest.raises(NoPermissionError):
            told(host, command, key, *more)
    for words in (("RENAME", key, "gpu:workers"), ("COPY", key, "gpu:workers"), ("LMOVE", key, key, "LEFT", "LEFT")):
        with pytest.raises(NoPermissionError):
            told(host, *words)
    for script in ("return redis.call('DEL', ARGV[1])", "return redis.call('SET', ARGV[1], 1)"):
        with pytest.raises(redis.RedisError, match="permission"):
            host.evalsha(valkey.script_load(script), 1, "rq:queue:render", key)
    assert valkey.get(key) == b"the website's"


@pytest.mark.parametrize(
    "command",
    [
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "FLUSHDB",
        "FLUSHALL",
        "SWAPDB 0 1",
        "CONFIG GET *",
        "CONFIG SET dir /tmp",
        "ACL LIST",
        "ACL SETUSER gpu on +@all ~*",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "CLIENT PAUSE 1000",
        "MONITOR",
        "DEBUG SLEEP 1",
        "SAVE",
        "SHUTDOWN NOSAVE",
        "REPLICAOF 127.0.0.1 1",
        "INFO",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "SCRIPT LOAD code",
        "EVAL_RO code 0",
        "FCALL name 0",
        "FUNCTION LIST",
        "EVAL return 0",
        "MODULE LIST",
        "PUBLISH rq:pubsub:gpu:another x",
        "SUBSCRIBE rq:pubsub:another",
        "PSUBSCRIBE *",
    ],
)
@pytest.mark.usefixtures("fleet_url")
def test_it_commands_nobody(valkey: redis.Redis, command: str) -> None:
    assert "no permissions" in refusal(valkey, *command.split())


@pytest.mark.parametrize(
    "command",
    [
        # Reports are added, and no more.
        "LRANGE rq:queue:reports 0 -1",
        "LPOP rq:queue:reports",
        "LREM rq:queue:reports 0 x",
        "DEL rq:queue:reports",
        f"HGETALL rq:job:reports-finished-{CLIP}-1-digest",
        f"DEL rq:job:reports-finished-{CLIP}-1-digest",
        f"SADD rq:job:reports-finished-{CLIP}-1-digest:dependents x",
        # Nobody but the website puts a job in line, or cancels one.
        "RPUSH rq:queue:render x",
        "LPUSH rq:queue:render x",
        "BLMOVE rq:queue:render rq:queue:render:intermediate LEFT LEFT 1",
        f"SET {cancel_key(CLIP)} 1",
        f"DEL {cancel_key(CLIP)}",
        f"XADD {cancel_key(CLIP)} * a b",
        # What a clip's watchers see is written, and not read.
        f"XRANGE {progress_key(CLIP)} - +",
        f"DEL {progress_key(CLIP)}",
        f"XRANGE rq:results:render-{CLIP}-1 - +",
    ],
)
@pytest.mark.usefixtures("fleet_url")
def test_of_what_it_shares_with_the_website_it_does_its_own_part(valkey: redis.Redis, command: str) -> None:
    assert "no permissions" in refusal(valkey, *command.split())


def test_a_user_of_one_host_speaks_for_that_host_alone(valkey: redis.Redis) -> None:
    user = valkey_rights.user_line(PASSWORD, user="one", worker="gpu-1")
    told(valkey, "ACL", "SETUSER", *user.split()[1:])
    try:
        for name, may in (("gpu-1", True), ("gpu-2", False)):
            for command in (
                ("SET", worker_key(name), "x"),
                ("SET", holding_key(name), "x"),
                ("SET", fault_key(name), "clock"),
                ("DEL", f"rq:worker:gpu:{name}"),
                ("SUBSCRIBE", f"rq:pubsub:gpu:{name}"),
            ):
                answer = told(valkey, "ACL", "DRYRUN", "one", *command)
                assert (answer in (b"OK", True)) is may, (command, answer)
    finally:
        told(valkey, "ACL", "DELUSER", "one")


@pytest.mark.parametrize("name", ["a b", "*x", "", "a) (+@all ~*"])
def test_what_no_worker_is_called_is_no_part_of_a_rule(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a GPU worker"):
        valkey_rights.rule(name)


def printed(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("gpu_user", *arguments, stdout=out)
    return [line for line in out.getvalue().splitlines() if not line.startswith("#")]


def test_an_operator_is_told_the_user_and_the_address_of_the_gpu_hosts(valkey: redis.Redis, settings: Settings) -> None:
    site = settings.REDIS_URL
    settings.REDIS_URL = site.replace("redis://", "redis://default:of-the-site@")
    user, address = printed("--user", "fleet")
    assert "of-the-site" not in user + address
    told(valkey, "ACL", "SETUSER", *user.split()[1:])
    try:
        with redis.Redis.from_url(address.removeprefix("REDIS_URL=")) as host:
            assert host.ping()
            with pytest.raises(NoPermissionError):
                host.lrange("rq:queue:mail", 0, -1)
    finally:
        told(valkey, "ACL", "DELUSER", "fleet")


def test_a_remote_worker_is_given_the_user_of_its_own_line() -> None:
    user, _ = printed("--remote", "--user", "far", "--worker", "far-1", "--password", "kept")
    assert user == valkey_rights.user_line("kept", user="far", worker="far-1", queue=REMOTE_QUEUE)
    assert user != printed("--user", "far", "--worker", "far-1", "--password", "kept")[0]


def test_each_time_the_password_is_another() -> None:
    assert printed() != printed()
    assert printed("--password", "kept") == printed("--password", "kept")


@pytest.mark.parametrize("arguments", [["--user", "a b"], ["--user", "default"], ["--worker", "a b"], ["--user", ""]])
def test_a_user_that_would_be_another_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed(*arguments)
