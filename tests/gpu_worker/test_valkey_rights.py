"""Valkey keeps a GPU host from all that is no concern of its own.

Every command that the server knows is tried in every category, and every class of keys that the website has.
"""

from __future__ import annotations

import re

import pytest
import redis
from django.conf import settings as django_settings
from redis.exceptions import NoPermissionError

from gpu_worker.host_faults import fault_key
from gpu_worker.rq_seams import valkey_rights
from gpu_worker.valkey_names import cancel_key, holding_key, progress_key, worker_key
from tests.gpu_worker.valkey_users import CLIP, FOREIGN, PASSWORD, refusal, told

CATEGORIES = (
    *("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"),
    *("stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"),
)
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
