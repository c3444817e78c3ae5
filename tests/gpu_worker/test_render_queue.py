"""The pop that carries the choice out, in real Valkey."""

from __future__ import annotations

import json
import multiprocessing
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import redis
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker.contract import RenderJob
from gpu_worker.job_choice import Bounds
from gpu_worker.rq_seams.render_queue import RenderQueue, secret_in
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import RENDER_QUEUE, WORKERS_KEY, holding_key
from gpu_worker.worker_status import DRAINING
from tests.gpu_worker.conftest import enqueue, environment, make_job, report_status
from tests.gpu_worker.waiting_lines import SLUGS, after, pick, waiting
from tests.patience import wait_until

QUEUE_KEY = f"rq:queue:{RENDER_QUEUE}"
INTERMEDIATE_KEY = f"{QUEUE_KEY}:intermediate"


def line_of(connection: redis.Redis, bounds: Bounds | None = None, worker: str = "w1") -> RenderQueue:
    return RenderQueue(connection, worker, bounds or Bounds())


def ids(connection: redis.Redis, key: str) -> list[str]:
    return [value.decode() for value in cast(list[bytes], connection.lrange(key, 0, -1))]


def test_the_window_shows_jobs_in_order_with_age_and_skips(valkey: redis.Redis, tmp_path: Path) -> None:
    first, second = make_job(tmp_path), make_job(tmp_path, slug="blue")
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        enqueue(valkey, first)
        clock.shift(100)
        enqueue(valkey, second)
        valkey.hset(f"rq:job:{first.job_id}", "skips", 3)
        window = line_of(valkey).window()

    assert [w.job for w in window] == [first, second]
    assert [w.skips for w in window] == [3, 0]
    assert [round(w.waited_seconds) for w in window] == [100, 0]


def test_deleted_jobs_leave_the_line_and_strange_ones_stay(valkey: redis.Redis, tmp_path: Path) -> None:
    gone, kept = make_job(tmp_path), make_job(tmp_path)
    enqueue(valkey, gone)
    enqueue(valkey, kept)
    queue = Queue(RENDER_QUEUE, connection=valkey, serializer=JSONSerializer)
    queue.enqueue_call("os.system", args=("true",), job_id="stranger")
    valkey.delete(f"rq:job:{gone.job_id}")

    window = line_of(valkey).window()

    assert [(w.job_id, w.job) for w in window] == [(kept.job_id, kept), ("stranger", None)]
    assert ids(valkey, QUEUE_KEY) == [kept.job_id, "stranger"]


def test_taking_moves_the_job_into_the_workers_hands_in_one_step(valkey: redis.Redis, tmp_path: Path) -> None:
    jobs = [make_job(tmp_path) for _ in range(3)]
    for job in jobs:
        enqueue(valkey, job)

    assert line_of(valkey).take(jobs[1].job_id)

    assert ids(valkey, QUEUE_KEY) == [jobs[0].job_id, jobs[2].job_id]
    assert ids(valkey, INTERMEDIATE_KEY) == [jobs[1].job_id]
    assert valkey.get(holding_key("w1")) == jobs[1].job_id.encode()
    assert [w.skips for w in line_of(valkey).window()] == [1, 0]


def test_a_job_is_taken_once_however_many_reach_for_it(valkey: redis.Redis, tmp_path: Path) -> None:
    job = make_job(tmp_path)
    enqueue(valkey, job)

    assert [line_of(valkey, worker=name).take(job.job_id) for name in ("w1", "w2")] == [True, False]
    assert valkey.get(holding_key("w2")) is None


def test_the_skip_bound_holds_between_workers_that_looked_at_the_same_time(valkey: redis.Redis, tmp_path: Path) -> None:
    jobs = [make_job(tmp_path) for _ in range(3)]
    for job in jobs:
        enqueue(valkey, job)
    bounds = Bounds(max_skips=1)

    assert line_of(valkey, bounds, "w1").take(jobs[1].job_id)
    assert not line_of(valkey, bounds, "w2").take(jobs[2].job_id)
    assert line_of(valkey, bounds, "w2").take(jobs[0].job_id)


@pytest.mark.parametrize("skips", [b"x", b"", b"\xff", b"nan", b"inf", b"-1", b"1.5", b"0x7f", b"9" * 400])
def test_skips_that_are_no_count_are_none_and_the_line_goes_on(
    valkey: redis.Redis, tmp_path: Path, skips: bytes
) -> None:
    """A GPU host may write them, and every worker of the fleet reads them."""
    jobs = [make_job(tmp_path) for _ in range(3)]
    for job in jobs:
        enqueue(valkey, job)
    valkey.hset(f"rq:job:{jobs[0].job_id}", "skips", skips)
    line = line_of(valkey, Bounds(max_skips=1))

    assert [w.skips for w in line.window()] == [0, 0, 0]
    assert line.take(jobs[1].job_id)
    assert [w.skips for w in line.window()] == [1, 0]


@pytest.mark.parametrize("field", ["enqueued_at", "data"])
@pytest.mark.parametrize("value", [b"x", b"", b"\xff", b"[" * 100_000, b"0001-01-01", b"9999-12-31T23:59:59"])
def test_a_record_that_says_anything_at_all_can_be_looked_at(
    valkey: redis.Redis, tmp_path: Path, field: str, value: bytes
) -> None:
    jobs = [make_job(tmp_path) for _ in range(2)]
    for job in jobs:
        enqueue(valkey, job)
    valkey.hset(f"rq:job:{jobs[0].job_id}", field, value)

    assert [w.job_id for w in line_of(valkey).window()] == [job.job_id for job in jobs]


def test_passing_by_what_the_card_cannot_hold_is_no_skip(valkey: redis.Redis, tmp_path: Path) -> None:
    huge, small = make_job(tmp_path, slug="huge"), make_job(tmp_path)
    enqueue(valkey, huge)
    enqueue(valkey, small)

    assert line_of(valkey, Bounds(max_skips=0)).take(small.job_id, [huge.job_id])
    assert [w.skips for w in line_of(valkey).window()] == [0]


def test_a_job_is_refused_by_all_once_the_last_live_worker_refuses(valkey: redis.Redis, tmp_path: Path) -> None:
    huge = make_job(tmp_path, slug="huge")
    enqueue(valkey, huge)
    for name, state in (("w1", "idle"), ("w2", "busy"), ("leaving", DRAINING)):
        report_status(valkey, name, state=state)
    valkey.zadd(WORKERS_KEY, {"dead": time.time()})

    def is_refused_by_all(line: RenderQueue) -> bool:
        return line.is_refused_by_all(huge.job_id, line.workers_taking_jobs())

    assert not is_refused_by_all(line_of(valkey, worker="w1"))
    assert is_refused_by_all(line_of(valkey, worker="w2"))


@settings(deadline=None)  # a real store answers as fast as the machine lets it
@given(
    slugs=st.lists(SLUGS, min_size=1, max_size=7),
    residents=st.lists(st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=9),
    max_skips=st.integers(0, 3),
)
def test_the_pop_does_what_the_model_says(slugs: list[str], residents: list[str], max_skips: int) -> None:
    """The Lua scripts and the pure model empty the same line in the same order."""
    connection = connect(environment(Path("/tmp"))["REDIS_URL"])
    connection.flushdb()
    jobs = [make_job(Path("/tmp"), slug=slug) for slug in slugs]
    for job in jobs:
        enqueue(connection, job)
    bounds = Bounds(max_skips=max_skips, max_wait_seconds=1e9)
    line = line_of(connection, bounds)
    model = [waiting(job.job_id, job.model.slug) for job in jobs]
    for resident in residents:
        seen = [replace(w, waited_seconds=0.0) for w in line.window()]
        assert [(w.job_id, w.skips) for w in seen] == [(w.job_id, w.skips) for w in model]
        taken = pick(seen, resident={resident: 10.0}, too_large={"huge"}, bounds=bounds)
        assert taken == pick(model, resident={resident: 10.0}, too_large={"huge"}, bounds=bounds)
        if taken is None:
            break
        huge = [w.job_id for w in seen if w.job and w.job.model.slug == "huge"]
        assert line.take(taken, huge)
        model = after(model, taken)


def test_waiting_takes_nothing_and_wakes_every_idle_worker_at_once(valkey: redis.Redis, tmp_path: Path) -> None:
    job = make_job(tmp_path)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def wait() -> None:
        own = connect(environment(tmp_path)["REDIS_URL"])
        results.put(line_of(own).wait(3600))

    processes = [context.Process(target=wait) for _ in range(2)]
    for process in processes:
        process.start()
    until_blocked(valkey, 2)
    enqueue(valkey, job)
    woken = [results.get() for _ in processes]  # long before their hour is over
    for process in processes:
        process.join()

    assert woken == [True, True]
    assert ids(valkey, QUEUE_KEY) == [job.job_id]


def until_blocked(connection: redis.Redis, clients: int) -> None:
    wait_until(lambda: cast(dict[str, int], connection.info("clients"))["blocked_clients"] >= clients)


def test_waiting_for_nothing_ends_in_time(valkey: redis.Redis) -> None:
    assert not line_of(valkey).wait(0.05)


def test_a_worker_killed_around_the_pop_loses_nothing(valkey: redis.Redis, tmp_path: Path) -> None:
    """Kill it at twenty moments around its pops: each id is in the line, or in the hands that ``holding_key`` names."""
    context = multiprocessing.get_context("fork")

    def pop_forever() -> None:
        line = line_of(connect(environment(tmp_path)["REDIS_URL"]), worker="victim")
        while True:
            for seen in line.window():
                line.take(seen.job_id)
                line.connection.lrem(INTERMEDIATE_KEY, 1, seen.job_id)
                line.connection.rpush("done", seen.job_id)
                line.release()

    for round_number in range(20):
        valkey.flushdb()
        jobs: list[RenderJob] = [make_job(tmp_path) for _ in range(12)]
        for job in jobs:
            enqueue(valkey, job)
        victim = context.Process(target=pop_forever)
        victim.start()
        while valkey.llen("done") == 0:
            pass
        until = time.perf_counter() + round_number * 0.0001
        while time.perf_counter() < until:
            pass
        victim.kill()
        victim.join()
        held = valkey.get(holding_key("victim"))
        found = set(ids(valkey, QUEUE_KEY) + ids(valkey, "done")) | (
            {held.decode()} if isinstance(held, bytes) else set()
        )
        assert found == {job.job_id for job in jobs}
        assert set(ids(valkey, INTERMEDIATE_KEY)) <= ({held.decode()} if isinstance(held, bytes) else set())


@pytest.mark.parametrize(
    ("call", "secret"),
    [
        (["f", None, [{"secret": "s", "of": "another release"}], {}], "s"),
        (["f", None, [{"of": "the last release"}], {}], ""),
        (["f", None, [{"secret": 7}], {}], ""),
        (["f", None, [], {}], ""),
        ({"no": "call"}, ""),
        (None, ""),
    ],
)
def test_the_secret_of_a_job_is_found_also_where_the_job_cannot_be_read(call: object, secret: str) -> None:
    assert secret_in(json.dumps(call).encode()) == secret
