"""Stores that restart under the running processes: every job finishes, and no process has to be started by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
import redis
from django.conf import settings
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from loremotion.local.stack import Stack, procfile
from tests import patience
from tests.prepared_site import NewSite
from tests.whole_site import make_whole

WORKERS = tuple(name for name, command in procfile().items() if "rqworker" in command or "housekeeping" in command)
BEAT = next(name for name, command in procfile().items() if "housekeeping" in command)
MARK_OF_A_ROUND = "cache:1:shop:old-events"
"""The beat sets it in a round that has asked the database."""

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Iterator[Stack]:
    with Stack(
        new_site("restarts"),
        is_prepared=True,
        processes=WORKERS,
        settings={"HOUSEKEEPING_SECONDS": "0.5"},
        is_durable=True,
    ) as running:
        yield running


@pytest.fixture
def stack(site: Stack) -> Stack:
    return make_whole(site)


@pytest.fixture
def valkey(stack: Stack) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.stores.redis_url) as connection:
        yield connection


def wait_until(is_true: Callable[[], bool], what: str, stack: Stack) -> None:
    def how_it_stands() -> str:
        ended = [name for name in WORKERS if not stack.is_running(name)]
        words = {name: stack.last_words(name, 2_000) for name in (BEAT, *WORKERS)}
        return f"{what}; ended: {ended}; {words}"

    patience.wait_until(is_true, what=how_it_stands)


NOBODYS = str(uuid4())
CALLS: dict[str, tuple[str, tuple[object, ...]]] = {
    "reports": ("generation.reports.started", (NOBODYS, 1, "nobody")),
    "signing": ("generation.settlement.signing_queue.sign_late", (NOBODYS,)),
    "stripe": ("billing.shop.jobs.work_on_event", ("evt_none",)),
    "webhooks": ("generation.outbox.jobs.deliver", (0,)),
    "mail": ("generation.outbox.jobs.mail", (0,)),
}
"""Queue → what asks the database for what is not there."""


def enqueue_everywhere(connection: redis.Redis, *, of_each: int = 4) -> list[Job]:
    """Such jobs on every queue of the site."""
    return [
        Queue(queue, connection=connection, serializer=JSONSerializer).enqueue_call(
            function, args=arguments, job_id=f"restart-{queue}-{next(_numbers)}", result_ttl=3_600, failure_ttl=3_600
        )
        for queue, (function, arguments) in CALLS.items()
        for _ in range(of_each)
    ]


def test_every_queue_of_the_site_is_given_jobs() -> None:
    assert set(CALLS) == set(settings.QUEUE_JOBS)


def have_finished(jobs: list[Job]) -> bool:
    statuses = [job.get_status() for job in jobs]
    assert JobStatus.FAILED not in statuses
    return all(status == JobStatus.FINISHED for status in statuses)


def test_after_a_restart_of_postgresql_every_job_finishes(stack: Stack, valkey: redis.Redis) -> None:
    postgres = stack.stores.postgres
    assert postgres is not None
    before = enqueue_everywhere(valkey)
    wait_until(lambda: have_finished(before), "jobs before the restart", stack)
    wait_until(lambda: bool(valkey.exists(MARK_OF_A_ROUND)), "a first round of the beat", stack)
    processes = {name: stack.pid(name) for name in WORKERS}

    postgres.stop()
    meanwhile = enqueue_everywhere(valkey)
    wait_until(lambda: "waits for the database" in stack.log(BEAT).read_text(), "the beat meets nobody", stack)
    postgres.start()
    afterwards = enqueue_everywhere(valkey)

    wait_until(lambda: have_finished(meanwhile + afterwards), "jobs of the restart", stack)
    valkey.delete(MARK_OF_A_ROUND)
    wait_until(lambda: bool(valkey.exists(MARK_OF_A_ROUND)), "a round of the beat", stack)
    assert {name: stack.pid(name) for name in WORKERS if stack.is_running(name)} == processes


def test_connections_that_are_cut_between_two_jobs_cost_no_job(stack: Stack, valkey: redis.Redis) -> None:
    """What a failover or a pooler does: the server is there all the time, the connection is not."""
    warm = enqueue_everywhere(valkey, of_each=1)
    wait_until(lambda: have_finished(warm), "jobs before the cut", stack)
    with psycopg.connect(stack.stores.database_url, autocommit=True) as operator:
        for _ in range(5):
            operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            jobs = enqueue_everywhere(valkey, of_each=2)
            wait_until(lambda jobs=jobs: have_finished(jobs), "jobs after the cut", stack)  # type: ignore[misc]


def test_after_a_restart_of_valkey_every_worker_goes_on(stack: Stack, valkey: redis.Redis) -> None:
    server = stack.stores.valkey
    assert server is not None
    server.stop()
    server.start()
    jobs = enqueue_everywhere(valkey)
    wait_until(lambda: have_finished(jobs), "jobs after the restart", stack)
    assert all(stack.is_running(name) for name in WORKERS)


def test_a_worker_that_finds_no_valkey_at_its_start_begins_anew(stack: Stack, valkey: redis.Redis) -> None:
    server = stack.stores.valkey
    assert server is not None
    mail = next(name for name, command in procfile().items() if command.endswith("rqworker mail"))
    stack.kill(mail)
    server.stop()
    seen = len(stack.log(mail).read_text())
    stack.launch(mail)
    pid = stack.pid(mail)
    wait_until(lambda: "begins anew" in stack.log(mail).read_text()[seen:], "a new process image", stack)
    server.start()
    jobs = enqueue_everywhere(valkey, of_each=1)
    wait_until(lambda: have_finished(jobs), "jobs after the start", stack)
    assert (stack.is_running(mail), stack.pid(mail)) == (True, pid)
    assert stack.end(mail) == 0


def test_a_worker_that_is_asked_to_stop_leaves(stack: Stack, valkey: redis.Redis) -> None:
    jobs = enqueue_everywhere(valkey, of_each=1)
    wait_until(lambda: have_finished(jobs), "jobs before the end", stack)  # all have started
    for name in WORKERS:
        if name != BEAT:
            assert stack.end(name) == 0, name
