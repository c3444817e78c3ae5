"""What GPU hosts write in Valkey stays as long as a clip needs it, and no larger than any is."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis
from rq.results import Result

from accounts.models import Visitor
from catalog.models import Model
from generation.attempt_secret import secret_of
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import housekeeping, lost_attempts
from generation.storage import host_keys
from gpu_worker.valkey_names import job_id, progress_key, report_id, worker_key
from loremotion import health, valkey_memory
from tests.generation import factories
from tests.generation.lost_work import in_a_while
from tests.patience import wait_until

MIB = 2**20


@pytest.fixture
def dispatched(toy: Model, alice: Visitor) -> Generation:
    """A clip in the line of the GPU hosts."""
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    return generation


def sweep_all() -> None:
    """Every key is looked at."""
    host_keys.sweep()
    while host_keys._cursor:
        host_keys.sweep()


def keys_of_clip(clip_id: str, attempt: int, digest: str) -> list[str]:
    """What a host may write of an attempt."""
    render, report = job_id(clip_id, attempt), f"reports-finished-{clip_id}-{attempt}-{digest}"
    return [
        f"rq:job:{render}",
        f"rq:job::{render}:dependents",
        f"rq:execution:{render}:1",
        f"rq:executions:{render}",
        f"rq:results:{render}",
        f"rq:queue:render:intermediate:first_seen:{render}",
        f"rq:job:{report}",
    ]


def test_keys_of_no_clip_go(dispatched: Generation, valkey: redis.Redis) -> None:
    clip = str(dispatched.id)
    strange: list[str | bytes] = [
        *keys_of_clip(str(uuid4()), 1, "0" * 32),
        *keys_of_clip(clip, 2, "0" * 32),  # there was no second attempt
        *keys_of_clip(clip, 1, "0" * 32)[-1:],  # nobody has that secret
        "rq:job:render-",
        "rq:job:render-\udcff".encode(errors="surrogateescape"),
        "rq:results:render-x-y",
        f"generation:{uuid4()}",
        f"generation:{'?' * 8}-????-????-????-{'?' * 12}",
    ]
    for key in strange:
        valkey.set(key, "x")
    sweep_all()
    assert [key for key in strange if valkey.exists(key)] == []


def test_what_a_clip_needs_stays(dispatched: Generation, valkey: redis.Redis) -> None:
    clip = str(dispatched.id)
    report = report_id("finished", clip, 1, secret_of(clip, 1))
    needed = [*keys_of_clip(clip, 1, "")[1:-1], f"rq:job:{report}", progress_key(clip), worker_key("gpu-1")]
    for key in needed:
        valkey.set(key, "x")
    sweep_all()
    assert [key for key in needed if not valkey.exists(key)] == []
    lost_attempts.dispatch_lost()
    assert dispatch.render_queue().get_job_ids() == [dispatched.job_id]


def test_what_has_no_end_gets_one(dispatched: Generation, valkey: redis.Redis) -> None:
    valkey.set(worker_key("odd"), "x")
    valkey.set(worker_key("beating"), "x", ex=15)
    sweep_all()
    assert 0 < valkey.ttl(worker_key("odd")) <= host_keys.KEPT_SECONDS
    assert 0 < valkey.ttl(worker_key("beating")) <= 15
    assert valkey.ttl(f"rq:job:{dispatched.job_id}") > 0


def test_what_is_larger_than_any_goes_and_the_clip_is_made(dispatched: Generation, valkey: redis.Redis) -> None:
    assert dispatched.job_id
    valkey.hset(f"rq:job:{dispatched.job_id}", "meta", b"x" * 5 * MIB)
    valkey.set(worker_key("odd"), b"x" * 5 * MIB)
    valkey.zadd("rq:failed:render", {b"a" * 9 * MIB: 1, b"b" * 9 * MIB: 1})
    for _ in range(2):
        valkey.xadd(progress_key(str(dispatched.id)), {"data": b"x" * 9 * MIB})
    sweep_all()
    assert not valkey.exists(worker_key("odd"), "rq:failed:render", progress_key(str(dispatched.id)))
    assert not valkey.exists(f"rq:job:{dispatched.job_id}")
    with in_a_while(3):
        lost_attempts.dispatch_lost()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatch.render_queue().get_job_ids()) == (State.DISPATCHED, [dispatched.job_id])


def test_what_has_more_parts_than_any_goes_uncounted(
    db: None, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_keys, "MOST_PARTS", 3)
    valkey.rpush("rq:queue:reports", *"abcd")
    valkey.zadd("gpu:workers", dict.fromkeys("abcd", 1))
    valkey.sadd("rq:workers:render", *"abcd")
    valkey.hset("rq:worker:gpu:odd", mapping=dict.fromkeys("abcd", "x"))
    valkey.sadd("rq:worker:gpu:odd:executions", *"abc")
    sweep_all()
    assert set(valkey.keys("*")) == {b"rq:worker:gpu:odd:executions"}


def test_keys_of_the_website_are_left_alone(dispatched: Generation, valkey: redis.Redis) -> None:
    own = [
        f"generation:{uuid4()}:cancel",
        "rq:job:letter-7-0-29000000",
        Result.get_key("letter-7-0-29000000"),
        "cache:1:limit",
        "gpu:drain:gpu-1",
        "process:web",
        "rq:queue:mail",
    ]
    for key in own:
        valkey.set(key, b"x" * 15 * MIB)
    sweep_all()
    assert [key for key in own if valkey.ttl(key) != -1] == []


def test_a_round_looks_at_a_few_and_at_more_where_memory_is_short(
    db: None, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_keys, "KEYS_AT_ONCE", 5)
    monkeypatch.setattr(host_keys, "_cursor", 0)
    looked: list[int] = []

    def look_at(keys: list[bytes]) -> tuple[int, int]:
        looked.append(len(keys))
        return 0, 0

    monkeypatch.setattr(host_keys, "_look_at", look_at)
    valkey.mset({worker_key(f"gpu-{number}"): "x" for number in range(500)})
    host_keys.sweep()
    assert len(looked) == 1
    monkeypatch.setattr(valkey_memory, "used_share", lambda: 0.9)
    host_keys.sweep()
    assert len(looked) == 1 + host_keys.MOST_LOOKS


@pytest.fixture
def hostile(valkey: redis.Redis) -> Iterator[redis.Redis]:
    """A GPU host whose user is its own."""
    valkey.acl_setuser("gpu7", enabled=True, reset=True, passwords=["+p"], keys=["*"], categories=["+@all"])
    known = valkey.connection_pool.connection_kwargs
    with redis.Redis(host=known["host"], port=known["port"], username="gpu7", password="p") as host:
        yield host
    valkey.config_set("maxmemory", "0")
    valkey.acl_deluser("gpu7")


def fill(valkey: redis.Redis) -> None:
    """Have Valkey use nine tenths of its memory. Beside so much it does not matter what connections take, now more and
    now less. What is freed in the background, of the test before, is waited for."""
    wait_until(lambda: valkey.info("memory")["lazyfree_pending_objects"] == 0)
    for number in range(8):
        valkey.setrange(f"cache:ballast-{number}", 14 * MIB, "x")
    valkey.config_set("maxmemory", int(valkey.info("memory")["used_memory"] / 0.9))


def test_staff_is_told_that_memory_is_short_and_who_sends_the_most(
    db: None, valkey: redis.Redis, hostile: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    assert [fault for fault in health.faults() if "memory" in fault.what] == []
    for number in range(8):
        hostile.set(worker_key(f"w{number}"), b"x" * MIB)
    fill(valkey)
    [fault] = [fault for fault in health.faults() if "memory" in fault.what]
    assert "of its memory. Most is sent by its user gpu7 at 127.0.0.1 (8 MiB)." in fault.what
    housekeeping.log_silent_processes()
    assert "gpu7 at 127.0.0.1" in "".join(record.message for record in caplog.records if record.levelname == "CRITICAL")
