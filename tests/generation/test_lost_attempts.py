"""An attempt whose worker is gone without a report has taken GPU time all the same, and free clips answer for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from rq.job import Job
from rq.serializers import JSONSerializer

from accounts.models import Visitor
from billing.models import FreeDay, FreeReservation
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import capacity, dispatch
from generation.settlement import housekeeping, settle
from gpu_worker.valkey_names import worker_key
from gpu_worker.worker_status import CardStatus, WorkerStatus
from loremotion.valkey import connection
from tests.generation import factories

NOON = datetime(2028, 2, 28, 12, tzinfo=UTC)
BEGAN = NOON + timedelta(seconds=30)

Loss = Callable[[Generation], object]


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


@pytest.fixture
def waiting(toy: Model, alice: Visitor) -> Generation:
    with at(NOON):
        return factories.submitted(alice.workspace, seconds=1)


def begin(generation: Generation) -> Job:
    """The next attempt, begun by a worker at ``BEGAN`` and by its own clock an hour earlier."""
    with at(BEGAN):
        dispatch.fill_window()
        generation.refresh_from_db()
        settle.start(generation_id=generation.id, attempt=generation.attempt, worker="gpu-test")
    job = Job.fetch(generation.job_id, connection=connection(), serializer=JSONSerializer)
    with at(BEGAN - timedelta(hours=1)), connection().pipeline() as pipeline:
        job.prepare_for_execution("gpu-test", pipeline)
        pipeline.execute()
    return job


def hear_of(job: Job, *, after_seconds: float) -> None:
    assert job.started_at is not None
    job.heartbeat(job.started_at + timedelta(seconds=after_seconds), ttl=15)


def counted() -> float:
    return sum(FreeDay.objects.values_list("gpu_seconds", flat=True))


def the_supervisor_says_so(generation: Generation) -> object:
    return factories.lose_worker(generation, generation.attempt)


def the_beat_finds_out(generation: Generation) -> object:
    return housekeeping.beat()


@pytest.mark.parametrize("loss", [the_supervisor_says_so, the_beat_finds_out])
def test_it_counts_from_its_start_until_it_was_last_heard_of(waiting: Generation, loss: Loss) -> None:
    set_aside = FreeReservation.objects.get(hold_id=waiting.id).gpu_seconds
    for attempt in (1, 2):
        hear_of(begin(waiting), after_seconds=12.0)
        with at(BEGAN + timedelta(seconds=40)):
            loss(waiting)
            loss(waiting)
        assert counted() == pytest.approx(12.0 * attempt)
        assert FreeReservation.objects.get(hold_id=waiting.id).gpu_seconds == set_aside
    hear_of(begin(waiting), after_seconds=3.0)
    with at(BEGAN + timedelta(seconds=40)):
        loss(waiting)
    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert counted() == pytest.approx(27.0)
    assert not FreeReservation.objects.exists()


@pytest.mark.parametrize(("silent_seconds", "taken"), [(40, 40.0), (7_200, 60.0)])
def test_where_valkey_has_forgotten_it_counts_until_now_but_no_longer_than_an_attempt_may_take(
    waiting: Generation, valkey: redis.Redis, silent_seconds: int, taken: float
) -> None:
    begin(waiting)
    valkey.flushdb()
    with at(BEGAN + timedelta(seconds=silent_seconds)):
        housekeeping.beat()
    assert counted() == pytest.approx(taken)


@pytest.mark.parametrize(("heard_after", "taken"), [(-3_600.0, 0.0), (7_200.0, 60.0)])
def test_a_worker_s_clock_that_jumps_counts_neither_less_than_nothing_nor_more_than_an_attempt_may_take(
    waiting: Generation, heard_after: float, taken: float
) -> None:
    hear_of(begin(waiting), after_seconds=heard_after)
    the_supervisor_says_so(waiting)
    assert counted() == pytest.approx(taken)


@pytest.mark.parametrize(("said", "believed"), [(4, 4), (100, capacity.MOST_CARDS)])
def test_of_a_worker_with_several_cards_it_counts_those_of_each_and_the_next_attempt_those_of_its_own(
    waiting: Generation, valkey: redis.Redis, said: int, believed: int
) -> None:
    status = WorkerStatus(name="gpu-test", cards=(CardStatus(),) * said)
    valkey.set(worker_key("gpu-test"), json.dumps(status.to_wire()))
    hear_of(begin(waiting), after_seconds=12.0)
    the_supervisor_says_so(waiting)
    assert counted() == pytest.approx(12.0 * believed)
    valkey.delete(worker_key("gpu-test"))
    hear_of(begin(waiting), after_seconds=3.0)
    the_supervisor_says_so(waiting)
    assert counted() == pytest.approx(12.0 * believed + 3.0)


def test_one_that_never_began_counts_nothing(waiting: Generation) -> None:
    with at(BEGAN):
        dispatch.fill_window()
        waiting.refresh_from_db()
        the_supervisor_says_so(waiting)
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    assert counted() == 0
