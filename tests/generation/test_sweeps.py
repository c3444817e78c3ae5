"""No row, store or error keeps the beat from what else it has to put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
import redis
from django.db import OperationalError
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from accounts import workspaces
from accounts.models import Visitor, Workspace
from catalog.models import Model
from generation.models import Clip, Generation, State
from generation.scheduling import dispatch
from generation.settlement import housekeeping, lost_attempts, signing_queue
from generation.settlement import settle as settlement
from generation.storage import traces
from generation.storage.s3 import StoreUnavailable
from generation.tiers import FREE_BEGINS
from gpu_worker import log_context
from gpu_worker.contract import RenderReport
from loremotion import queues, sweeping
from loremotion.sweeping import each
from tests.generation import factories
from tests.generation.lost_work import heartbeat, in_a_while


def test_a_sweep_that_breaks_does_not_keep_the_others_from_running(
    dispatched: Generation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def broken() -> None:
        raise KeyError("a report of an older version")

    monkeypatch.setattr(housekeeping, "SWEEPS", (broken, lambda: ran.append("next")))
    assert housekeeping.beat()
    assert ran == ["next"]
    assert "broken failed" in caplog.text


def ended(generation: Generation, valkey: redis.Redis, result: dict[str, object]) -> None:
    """Its job has ended in RQ with this result, and the report never came."""
    job = Job.fetch(generation.job_id, connection=valkey, serializer=JSONSerializer)
    job.set_status(JobStatus.FINISHED)
    job.ended_at = datetime.now(UTC)
    job.save()
    Result.create(job, Result.Type.SUCCESSFUL, ttl=1000, return_value=result)


@pytest.fixture
def two_dispatched(toy: Model, alice: Visitor, bob: Visitor) -> list[Generation]:
    made = [factories.submitted(visitor.workspace) for visitor in (alice, bob)]
    dispatch.fill_window()
    return list(Generation.objects.filter(id__in=[generation.id for generation in made]).order_by("dispatched_at"))


@pytest.mark.parametrize("sweep", [lost_attempts.dispatch_lost, lost_attempts.reclaim_from_dead_workers])
def test_a_row_that_cannot_be_served_keeps_none_of_those_behind_it_waiting(
    two_dispatched: list[Generation],
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    sweep: Callable[[], None],
) -> None:
    poison, healthy = two_dispatched
    if sweep is lost_attempts.reclaim_from_dead_workers:
        for generation in two_dispatched:
            settlement.start(generation_id=generation.id, attempt=1, worker="gpu-test")
    for generation in two_dispatched:
        factories.deliver_clip(generation)
        ended(generation, valkey, factories.report(generation).to_wire())
    settle = settlement.settle

    def fails_for_one(report: RenderReport) -> bool:
        if report.generation_id == str(poison.id):
            raise ZeroDivisionError("a row that nobody thought of")
        return settle(report)

    monkeypatch.setattr(settlement, "settle", fails_for_one)
    with in_a_while(20):
        heartbeat(valkey)
        sweep()
    healthy.refresh_from_db()
    poison.refresh_from_db()
    assert (healthy.state, poison.is_open) == (State.SUCCEEDED, True)
    assert "could not be served; the others go on" in caplog.text


def test_a_result_that_cannot_be_read_counts_as_none(dispatched: Generation, valkey: redis.Redis) -> None:
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    ended(dispatched, valkey, {"of": "another version"})
    with in_a_while(20):
        heartbeat(valkey)
        lost_attempts.reclaim_from_dead_workers()
        housekeeping.dispatch_waiting()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.DISPATCHED, 2)


def test_a_workspace_that_cannot_be_erased_keeps_no_other(
    alice: Visitor, bob: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=100)
    for number, visitor in enumerate((alice, bob)):
        Workspace.objects.filter(id=visitor.workspace_id).update(closed_at=long_ago + timedelta(days=number))
    erase = workspaces.erase

    def fails_for_one(workspace: Workspace) -> None:
        if workspace.id == alice.workspace_id:
            raise ZeroDivisionError("a row that nobody thought of")
        erase(workspace)

    monkeypatch.setattr(workspaces, "erase", fails_for_one)
    housekeeping.erase_closed_workspaces()
    assert list(Workspace.objects.values_list("id", flat=True)) == [alice.workspace_id]
    assert "could not be served" in caplog.text


def test_a_store_that_is_away_ends_the_sweep_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def away(row: int) -> None:
        tried.append(row)
        raise redis.ConnectionError

    with pytest.raises(redis.ConnectionError):
        each([1, 2, 3], away)
    assert tried == [1]


def test_a_sweep_that_takes_long_goes_on_in_the_next_round_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    came: list[int] = []
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(row: int) -> None:
        came.append(row)
        now[0] += sweeping.SECONDS * 0.6

    assert each([1, 2, 3, 4, 5], slow) == 2
    each([1, 2, 3, 4, 5], slow)  # none of them has gone: they fail, or are looked at again and again
    each([1, 2, 3, 4, 5], slow)
    assert came == [1, 2, 3, 4, 5, 1]
    now[0] += 1000
    assert each([7], slow) == 1


def test_what_a_sweep_logs_of_a_clip_bears_its_ids(caplog: pytest.LogCaptureFixture) -> None:
    generation = Generation(id=uuid4(), request_id="r-1")
    rows: list[Generation | Clip] = [generation, Clip(generation=generation)]
    said: list[tuple[str, str]] = []

    def broken(row: Generation | Clip) -> None:
        said.append((log_context.current("request_id"), log_context.current("generation_id")))
        raise ValueError("a bug")

    with caplog.filtering(log_context.ContextFilter()):
        each(rows, broken)
    ids = ("r-1", str(generation.id))
    assert said == [ids, ids]
    assert [(vars(record)["request_id"], vars(record)["generation_id"]) for record in caplog.records] == [ids, ids]
    assert log_context.current("generation_id") == ""


@pytest.mark.parametrize(
    ("problem", "state"),
    [(ZeroDivisionError("a bug"), State.QUEUED), (StoreUnavailable("it does not answer"), State.RUNNING)],
)
@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.parametrize("is_in_line", [False, True])
def test_an_overdue_attempt_ends_though_its_result_cannot_be_settled(
    dispatched: Generation,
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    state: State,
    is_cancelled: bool,
    is_in_line: bool,
) -> None:
    """A store that is away for a while costs no attempt: the clip is there."""

    def fails(_: RenderReport) -> bool:
        raise problem

    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    if is_cancelled:
        settlement.cancel(dispatched)
    report = factories.report(dispatched)
    ended(dispatched, valkey, report.to_wire())
    if is_in_line:  # where it was settled too, and failed as it does here
        job_id = traces.signing_id(report.generation_id, report.attempt)
        line = queues.queue(signing_queue.QUEUE)
        line.enqueue_call(signing_queue.SETTLE_SIGNED, args=(report.to_wire(),), job_id=job_id)
        queues.job(job_id).set_status(JobStatus.FAILED)
    monkeypatch.setattr(settlement, "settle", fails)
    with in_a_while(2 * dispatched.version.timeout_seconds + 300):
        lost_attempts.reclaim_overdue()
    dispatched.refresh_from_db()
    assert dispatched.state == (State.CANCELLED if is_cancelled and state == State.QUEUED else state)


@pytest.mark.parametrize("find_out", [lost_attempts.reclaim_overdue, lost_attempts.reclaim_from_dead_workers])
def test_a_result_that_cannot_be_looked_at_for_the_moment_costs_no_attempt(
    dispatched: Generation, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, find_out: Callable[[], None]
) -> None:
    def takes_too_long(_: object) -> RenderReport:
        raise OperationalError("canceling statement due to statement timeout")

    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    ended(dispatched, valkey, factories.report(dispatched).to_wire())
    monkeypatch.setattr(lost_attempts, "read_report", takes_too_long)
    with in_a_while(2 * dispatched.version.timeout_seconds + 300), pytest.raises(OperationalError):
        find_out()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.RUNNING, 1)


def test_however_many_are_under_way_a_lost_job_and_a_dead_worker_are_found_in_the_next_round(
    two_dispatched: list[Generation], valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_attempts, "BATCH", 1)
    monkeypatch.setattr(lost_attempts, "IN_TURN", 0)
    first, last = two_dispatched
    valkey.lrem(dispatch.render_queue().key, 0, last.job_id)
    with in_a_while(3):
        lost_attempts.dispatch_lost()
    assert dispatch.render_queue().get_job_ids() == [first.job_id, last.job_id]
    for generation in two_dispatched:
        settlement.start(generation_id=generation.id, attempt=1, worker="gpu-test")
    with in_a_while(20):
        heartbeat(valkey, doing=first)
        lost_attempts.reclaim_from_dead_workers()
    assert [Generation.objects.get(id=each.id).state for each in two_dispatched] == [State.RUNNING, State.QUEUED]


def test_those_with_which_all_seems_well_are_looked_after_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_attempts, "IN_TURN", 2)
    monkeypatch.setattr(lost_attempts, "_begins_at", {})
    ids = [uuid4() for _ in range(5)]
    rounds = []
    for _ in range(2):
        rounds.append(lost_attempts.first_and_in_turn("one", ids, {ids[3]}))
        lost_attempts.first_and_in_turn("another", ids, {ids[3]})
    assert all(each[0] == ids[3] for each in rounds)
    assert {id for each in rounds for id in each} == set(ids)


def test_more_that_seem_lost_than_a_round_looks_after_come_in_turn_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_attempts, "BATCH", 2)
    monkeypatch.setattr(lost_attempts, "_begins_at", {})
    ids = [uuid4() for _ in range(5)]
    assert {id for _ in range(3) for id in lost_attempts.first_and_in_turn("one", ids, set(ids))} == set(ids)


@pytest.mark.parametrize("aside", [{"first": 1}, {"first": 1, "last": 1}, {}])
def test_a_job_that_waits_behind_one_that_yields_to_it_is_put_before_it_in_the_next_round(
    two_dispatched: list[Generation], valkey: redis.Redis, aside: dict[str, int]
) -> None:
    first, last = two_dispatched
    Generation.objects.filter(id=first.id).update(fair_finish=FREE_BEGINS + 1, times_aside=aside.get("first", 0))
    Generation.objects.filter(id=last.id).update(fair_finish=1.0, times_aside=aside.get("last", 0))
    with in_a_while(3):
        lost_attempts.dispatch_lost()
    assert dispatch.render_queue().get_job_ids() == [last.job_id, first.job_id]


def test_a_round_that_fails_for_whatever_reason_is_followed_by_another(
    toy: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = iter([ValueError("nobody thought of it"), OperationalError("away"), KeyboardInterrupt()])

    def beat() -> bool:
        raise next(rounds)

    monkeypatch.setattr(housekeeping, "beat", beat)
    with pytest.raises(KeyboardInterrupt):
        housekeeping.run_forever(every_seconds=0)
    assert "nobody thought of it" in caplog.text
