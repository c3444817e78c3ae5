"""The choice of the next job as a pure function, and the pop that carries it out in real Valkey."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker.contract import RENDER_QUEUE, WORKERS_KEY, ModelSpec, RenderJob, holding_key
from gpu_worker.queue import Bounds, RenderQueue, Waiting, choose
from gpu_worker.valkey import connect
from tests.gpu_worker.conftest import enqueue, environment, make_job

QUEUE_KEY = f"rq:queue:{RENDER_QUEUE}"
INTERMEDIATE_KEY = f"{QUEUE_KEY}:intermediate"
JOB = make_job(Path("/tmp"))


def waiting(name: str, slug: str = "red", *, skips: int = 0, waited_seconds: float = 0.0) -> Waiting:
    model = ModelSpec(slug=slug, version=1, family="ltx", source=slug)
    return Waiting(name, replace(JOB, model=model), waited_seconds, skips)


def pick(
    line: list[Waiting],
    *,
    resident: dict[str, float] | None = None,
    too_large: Collection[str] = (),
    bounds: Bounds | None = None,
    service_seconds: float = 10.0,
) -> str | None:
    choice = choose(
        line,
        bounds or Bounds(),
        can_hold=lambda w: w.job is None or w.job.model.slug not in too_large,
        loading_seconds=lambda job: 10.0 - (resident or {}).get(job.model.slug, 0.0),
        service_seconds=lambda job: service_seconds,
    )
    return choice.taken.job_id if choice.taken else None


# --- the choice ------------------------------------------------------------------------------------------------------


def test_the_first_in_line_is_taken_when_nothing_is_resident() -> None:
    assert pick([waiting("a", "red"), waiting("b", "blue")]) == "a"


def test_a_resident_model_is_preferred_when_it_saves_enough() -> None:
    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "blue")]
    assert pick(line, resident={"blue": 5.0}) == "b"


def test_a_saving_below_the_fraction_of_the_service_time_changes_nothing() -> None:
    line = [waiting("a", "red"), waiting("b", "blue")]
    assert pick(line, resident={"blue": 0.9}, bounds=Bounds(affinity_fraction=0.1), service_seconds=10) == "a"
    assert pick(line, resident={"blue": 1.1}, bounds=Bounds(affinity_fraction=0.1), service_seconds=10) == "b"


def test_a_job_that_was_overtaken_often_enough_is_overtaken_no_more() -> None:
    line = [waiting("a", "red", skips=8), waiting("b", "blue")]
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_skips=8)) == "a"


def test_a_job_that_has_waited_too_long_is_overtaken_no_more() -> None:
    line = [waiting("a", "red"), waiting("b", "red", waited_seconds=121), waiting("c", "blue")]
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_wait_seconds=120)) == "a"
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_wait_seconds=122)) == "c"


def test_in_a_backlog_too_long_is_four_times_what_the_line_takes() -> None:
    """Or else everybody would have waited too long, and every job would load its model anew."""
    for waited_seconds, taken in ((1199.0, "c"), (1201.0, "a")):
        line = [waiting("a", "red", waited_seconds=waited_seconds), waiting("b", "red"), waiting("c", "blue")]
        assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_wait_seconds=120), service_seconds=100) == taken


def test_the_model_with_the_least_to_load_comes_next() -> None:
    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "green"), waiting("d", "green")]
    assert pick(line, resident={"blue": 4.0, "green": 6.0}) == "c"
    assert pick(line, resident={"red": 3.0, "blue": 3.4, "green": 3.4}) == "a"


def test_of_models_to_load_the_one_that_more_wait_for_comes_next() -> None:
    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "green"), waiting("d", "green")]
    assert pick(line, resident={"blue": 6.0, "green": 4.0}) == "c"  # 6 seconds for two jobs, not 4 for one
    assert pick(line, resident={"blue": 9.0, "green": 4.0}) == "b"
    assert pick(line, resident={"blue": 10.0, "green": 4.0}) == "b"  # nothing to load is less than anything


def test_a_model_that_more_wait_for_is_no_reason_to_load_more_than_the_first_in_line_does() -> None:
    line = [waiting("a", "red"), *(waiting(name, "blue") for name in "bcdef")]
    assert pick(line, resident={"red": 4.0, "blue": 3.0}) == "a"


def test_what_cannot_be_told_neither_overtakes_nor_is_overtaken() -> None:
    line = [waiting("a", "red"), waiting("b", "strange"), waiting("c", "blue")]

    def seconds(job: RenderJob) -> float | None:
        return {"red": 5.0, "strange": None, "blue": 0.0}[job.model.slug]

    for first, taken in ((0, "a"), (1, "b"), (2, "c")):
        choice = choose(
            line[first:],
            Bounds(),
            can_hold=lambda waiting: True,
            loading_seconds=seconds,
            service_seconds=lambda job: 1.0,
        )
        assert choice.taken is not None
        assert choice.taken.job_id == taken


def test_nothing_more_is_asked_once_a_job_needs_no_loading() -> None:
    asked: list[str] = []

    def seconds(job: RenderJob) -> float:
        asked.append(job.model.slug)
        return 0.0 if job.model.slug == "blue" else 5.0

    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "green")]
    choose(line, Bounds(), can_hold=lambda waiting: True, loading_seconds=seconds, service_seconds=lambda job: 1.0)
    assert asked == ["red", "blue"]


def test_jobs_of_other_cards_are_passed_by() -> None:
    line = [waiting("a", "huge", skips=99, waited_seconds=999), waiting("b", "red")]
    assert pick(line, too_large={"huge"}) == "b"
    assert pick(line[:1], too_large={"huge"}) is None


def test_a_job_that_cannot_be_read_is_served_in_its_turn() -> None:
    assert pick([Waiting("broken", None, 0.0, 0), waiting("b")], resident={"blue": 9.0}) == "broken"


def test_only_the_window_is_looked_at() -> None:
    line = [waiting("a", "red"), waiting("b", "red"), waiting("c", "blue")]
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(window=2)) == "a"


@given(
    line=st.lists(
        st.tuples(st.sampled_from(["red", "blue", "green"]), st.integers(0, 20), st.floats(0, 10_000)), min_size=1
    ),
    resident=st.dictionaries(st.sampled_from(["red", "blue", "green"]), st.floats(0, 10)),
)
def test_nobody_who_is_past_a_bound_is_ever_overtaken(
    line: list[tuple[str, int, float]], resident: dict[str, float]
) -> None:
    bounds, service_seconds = Bounds(), 10.0
    jobs = [waiting(str(n), slug, skips=skips, waited_seconds=age) for n, (slug, skips, age) in enumerate(line)]
    taken = int(pick(jobs, resident=resident, service_seconds=service_seconds) or "")
    patience_seconds = max(bounds.max_wait_seconds, 4 * service_seconds * min(len(jobs), bounds.window))
    for overtaken in jobs[:taken]:
        assert overtaken.skips < bounds.max_skips
        assert overtaken.waited_seconds <= patience_seconds


SLUGS = st.sampled_from(["red", "blue", "green", "huge"])


@given(
    arrivals=st.lists(st.lists(SLUGS, max_size=4), min_size=1, max_size=25),
    residents=st.lists(st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=25),
    max_skips=st.integers(0, 5),
    window=st.integers(1, 8),
)
def test_nobody_starves(arrivals: list[list[str]], residents: list[str], max_skips: int, window: int) -> None:
    """Whatever arrives and whatever is resident, a job that fits is served after at most those before it plus
    ``max_skips`` others, and the line always moves while somebody in the window fits."""
    bounds = Bounds(window=window, max_skips=max_skips, max_wait_seconds=1e9)
    line: list[Waiting] = []
    latest: dict[str, int] = {}
    serial = takes = turn = 0
    while turn < len(arrivals) or any(w.job and w.job.model.slug != "huge" for w in line[:window]):
        for slug in arrivals[turn] if turn < len(arrivals) else []:
            serial += 1
            fitting_before = sum(1 for w in line if w.job and w.job.model.slug != "huge")
            latest[str(serial)] = takes + fitting_before + 1 + max_skips
            line.append(waiting(str(serial), slug))
        resident = residents[turn % len(residents)]
        taken = pick(line, resident={resident: 10.0}, too_large={"huge"}, bounds=bounds)
        has_fitting = any(w.job and w.job.model.slug != "huge" for w in line[:window])
        assert (taken is not None) == has_fitting
        if taken is not None:
            takes += 1
            assert takes <= latest[taken]
            line = after(line, taken)
            assert all(w.skips <= max_skips for w in line)
        turn += 1


def after(line: list[Waiting], taken: str) -> list[Waiting]:
    """What the pop makes of the line: the model that ``_TAKE`` is tested against below."""
    place = [w.job_id for w in line].index(taken)
    overtaken = [
        replace(w, skips=w.skips + 1) if w.job is not None and w.job.model.slug != "huge" else w for w in line[:place]
    ]
    return overtaken + line[place + 1 :]


# --- the pop ---------------------------------------------------------------------------------------------------------


def line_of(connection: redis.Redis, bounds: Bounds | None = None, worker: str = "w1") -> RenderQueue:
    return RenderQueue(connection, worker, bounds or Bounds())


def ids(connection: redis.Redis, key: str) -> list[str]:
    return [value.decode() for value in cast(list[bytes], connection.lrange(key, 0, -1))]


def test_the_window_shows_jobs_in_order_with_age_and_skips(valkey: redis.Redis, tmp_path: Path) -> None:
    first, second = make_job(tmp_path), make_job(tmp_path, slug="blue")
    enqueue(valkey, first)
    enqueue(valkey, second)
    long_ago = datetime.now(UTC) - timedelta(seconds=100)
    valkey.hset(
        f"rq:job:{first.job_id}", mapping={"enqueued_at": long_ago.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "skips": 3}
    )

    window = line_of(valkey).window()

    assert [w.job for w in window] == [first, second]
    assert [w.skips for w in window] == [3, 0]
    assert window[0].waited_seconds == pytest.approx(100, abs=2)
    assert window[1].waited_seconds == pytest.approx(0, abs=2)


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


def test_passing_by_what_the_card_cannot_hold_is_no_skip(valkey: redis.Redis, tmp_path: Path) -> None:
    huge, small = make_job(tmp_path, slug="huge"), make_job(tmp_path)
    enqueue(valkey, huge)
    enqueue(valkey, small)

    assert line_of(valkey, Bounds(max_skips=0)).take(small.job_id, [huge.job_id])
    assert [w.skips for w in line_of(valkey).window()] == [0]


def test_a_job_is_refused_by_all_once_the_last_live_worker_refuses(valkey: redis.Redis, tmp_path: Path) -> None:
    huge = make_job(tmp_path, slug="huge")
    enqueue(valkey, huge)
    valkey.zadd(WORKERS_KEY, {"w1": time.time(), "w2": time.time(), "dead": time.time() - 60})

    assert not line_of(valkey, worker="w1").is_refused_by_all(huge.job_id)
    assert line_of(valkey, worker="w2").is_refused_by_all(huge.job_id)


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
        results.put((line_of(own).wait(10), time.monotonic()))

    processes = [context.Process(target=wait) for _ in range(2)]
    for process in processes:
        process.start()
    until_blocked(valkey, 2)
    began = time.monotonic()
    enqueue(valkey, job)
    woken = [results.get() for _ in processes]
    for process in processes:
        process.join()

    assert [is_there for is_there, _ in woken] == [True, True]
    assert max(at for _, at in woken) - began < 0.1
    assert ids(valkey, QUEUE_KEY) == [job.job_id]


def until_blocked(connection: redis.Redis, clients: int) -> None:
    deadline = time.monotonic() + 10
    while cast(dict[str, int], connection.info("clients"))["blocked_clients"] < clients:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.005)


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
