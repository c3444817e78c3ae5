"""A GPU host writes whatever it likes under every key that it may write: no page breaks, and no clip waits for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from rq.job import JobStatus
from rq.results import Result

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import capacity, dispatch
from generation.settlement import housekeeping, settle
from gpu_worker.contract import LATE_SECONDS
from gpu_worker.liveness import MOST_WORKERS, live_workers
from gpu_worker.valkey_names import WORKERS_KEY, progress_key, worker_key
from gpu_worker.worker_status import WorkerStatus
from loremotion import queues
from tests.generation import factories
from tests.generation.conftest import ClientOf

VALUES = {
    "no UTF-8": b"\xff",
    "no number": b"nan",
    "a huge number": b"9" * 15 + b"e15",
    "two lines and NUL": b"x\x00\nid: 9-9\nevent: done",
}
Write = Callable[[redis.Redis, Generation, bytes], object]


def _beside_the_record(valkey: redis.Redis, clip: Generation, value: bytes) -> None:
    """What is said of workers, of jobs under way, of when they were seen there, and of progress."""
    valkey.zadd(WORKERS_KEY, {value: 1e18})
    valkey.zadd(WORKERS_KEY, {"odd": 1.0})
    valkey.set(worker_key("odd"), value)
    valkey.rpush("rq:queue:render:intermediate", value)
    valkey.set(f"rq:queue:render:intermediate:first_seen:{clip.job_id}", value)
    for fields in ({"event": value, "data": value}, {"event": b"step", "data": value}, {value: value}):
        valkey.xadd(progress_key(str(clip.id)), fields)  # type: ignore[arg-type]  # any bytes are fields


def _field(name: str, **others: str) -> Write:
    def write(valkey: redis.Redis, clip: Generation, value: bytes) -> None:
        for field, words in others.items():
            valkey.hset(f"rq:job:{clip.job_id}", field, words)
        valkey.hset(f"rq:job:{clip.job_id}", name, value)

    return write


def _result(valkey: redis.Redis, clip: Generation, value: bytes) -> None:
    _field("exc_info", status="finished", ended_at="2020-01-01T00:00:00.000000Z")(valkey, clip, value)
    valkey.xadd(f"rq:results:{clip.job_id}", {"type": value, "return_value": value, "exc_string": value})


WRITES: dict[str, Write] = {
    "beside the record": _beside_the_record,
    "the last result": _result,
    "whose job it is": _field("worker_name", status="started"),
    "status": _field("status"),
    "began": _field("started_at"),
    "last heard of": _field("last_heartbeat"),
    "timeout": _field("timeout"),
}


@pytest.fixture
def popped(toy: Model, alice: Visitor, valkey: redis.Redis) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    assert valkey.lmove("rq:queue:render", "rq:queue:render:intermediate")
    return generation


def begin(generation: Generation) -> None:
    settle.start(generation_id=generation.id, attempt=1, worker="gpu-test")
    generation.refresh_from_db()


def claim(valkey: redis.Redis, generation: Generation) -> None:
    """Say as a live worker that the clip is in its hands."""
    status = WorkerStatus(
        name="gpu-test", host="h", pid=1, device="cpu", budget_bytes=1, generation_id=str(generation.id), attempt=1
    )
    valkey.zadd(WORKERS_KEY, {"gpu-test": time.time()})
    valkey.set(worker_key("gpu-test"), json.dumps(status.to_wire()), ex=3600)


def in_a_while(seconds: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=False)


def limit_seconds(generation: Generation) -> float:
    return 2 * generation.version.timeout_seconds + LATE_SECONDS + 60


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("place", WRITES)
def test_whatever_it_writes_a_clip_that_runs_is_handed_on_in_the_end(
    popped: Generation,
    alice: Visitor,
    valkey: redis.Redis,
    client_of: ClientOf,
    caplog: pytest.LogCaptureFixture,
    place: str,
    value: str,
) -> None:
    begin(popped)
    claim(valkey, popped)
    WRITES[place](valkey, popped, VALUES[value])
    browser = client_of(alice)
    for address in ("/", f"/generations/{popped.id}/", f"/v1/videos/{popped.id}"):
        assert browser.get(address).status_code == 200
    with in_a_while(limit_seconds(popped) + 1):
        housekeeping.beat()
        housekeeping.beat()
    popped.refresh_from_db()
    assert (popped.state, popped.attempt) == (State.DISPATCHED, 2)
    assert "the others go on" not in caplog.text


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("place", WRITES)
def test_whatever_it_writes_a_clip_that_was_popped_and_never_began_gets_on(
    popped: Generation, valkey: redis.Redis, caplog: pytest.LogCaptureFixture, place: str, value: str
) -> None:
    WRITES[place](valkey, popped, VALUES[value])
    for seconds in (3, 30, 60):
        with in_a_while(seconds):
            housekeeping.beat()
    popped.refresh_from_db()
    is_in_line = popped.job_id in dispatch.render_queue().get_job_ids()
    assert popped.state == State.RUNNING or popped.attempt >= 2 or is_in_line
    assert "the others go on" not in caplog.text


@pytest.mark.parametrize("seconds_left", [5, -5])
def test_a_clip_in_a_worker_s_hands_is_left_there_until_no_render_could_still_go_on(
    popped: Generation, valkey: redis.Redis, seconds_left: int
) -> None:
    begin(popped)
    with in_a_while(limit_seconds(popped) - seconds_left):
        claim(valkey, popped)
        housekeeping.beat()
    popped.refresh_from_db()
    assert popped.attempt == (1 if seconds_left > 0 else 2)


def test_a_clip_that_ended_while_the_site_was_off_is_not_made_again(popped: Generation, valkey: redis.Redis) -> None:
    begin(popped)
    factories.deliver_clip(popped)
    job = queues.job(popped.job_id)
    job.set_status(JobStatus.FINISHED)
    Result.create(job, Result.Type.SUCCESSFUL, ttl=1000, return_value=factories.report(popped).to_wire())
    with in_a_while(24 * 3600):
        housekeeping.beat()
    popped.refresh_from_db()
    assert popped.state == State.SUCCEEDED


def test_a_job_that_says_to_end_tomorrow_has_ended(popped: Generation, valkey: redis.Redis) -> None:
    begin(popped)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    valkey.hset(f"rq:job:{popped.job_id}", mapping={"status": "finished", "ended_at": tomorrow})
    with in_a_while(20):
        housekeeping.beat()
    popped.refresh_from_db()
    assert popped.attempt == 2


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.SCHEDULED])
def test_a_job_that_waits_for_nothing_of_ours_is_enqueued_again(
    popped: Generation, valkey: redis.Redis, status: JobStatus
) -> None:
    valkey.delete("rq:queue:render:intermediate")
    valkey.hset(f"rq:job:{popped.job_id}", "status", status.value)
    with in_a_while(3):
        housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [popped.job_id]


def test_who_says_again_and_again_that_it_was_just_popped_gains_no_time(
    popped: Generation, valkey: redis.Redis
) -> None:
    for seconds in (3, 13, 23):
        with in_a_while(seconds):
            valkey.set(f"rq:queue:render:intermediate:first_seen:{popped.job_id}", time.time())
            housekeeping.beat()
    popped.refresh_from_db()
    assert popped.attempt == 2


def test_a_name_that_is_none_hides_no_worker(popped: Generation, valkey: redis.Redis) -> None:
    claim(valkey, popped)
    valkey.zadd(WORKERS_KEY, {name: 1e18 for name in (b"\xff", b"", b"a\nb", b"n" * 201)})
    assert [status.name for status in capacity.statuses()] == ["gpu-test"]


def test_only_so_many_names_are_looked_at(valkey: redis.Redis) -> None:
    valkey.zadd(WORKERS_KEY, {f"gpu-{number}": 1.0 for number in range(MOST_WORKERS + 5)})
    asked: list[int] = []

    class Counting(redis.Redis):
        def mget(self, keys: list[str], *args: str) -> list[bytes | None]:  # type: ignore[override]  # what is called
            asked.append(len(keys))
            return [None] * len(keys)

    assert live_workers(Counting(connection_pool=valkey.connection_pool)) == []
    assert asked == [MOST_WORKERS]
