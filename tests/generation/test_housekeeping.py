"""The beat puts right whatever a crash left."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import redis
import time_machine
from django.db import OperationalError, transaction
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from accounts import workspaces
from accounts.models import Visitor, Workspace
from billing import ledger
from catalog.models import Model
from generation.models import Clip, Generation, State
from generation.scheduling import dispatch
from generation.settlement import housekeeping, lost_attempts, signing_queue
from generation.settlement import settle as settlement
from generation.storage import traces
from generation.storage.s3 import StoreUnavailable
from generation.tiers import FREE_BEGINS
from gpu_worker import log_context
from gpu_worker.contract import Outcome, RenderReport
from gpu_worker.rq_seams import scripts
from gpu_worker.valkey_names import WORKERS_KEY, cancel_key, former_job_id, worker_key
from gpu_worker.worker_status import WorkerStatus
from loremotion import queues, sweeping
from loremotion.sweeping import each
from tests.generation import factories


@pytest.fixture
def dispatched(toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    return generation


def heartbeat(
    valkey: redis.Redis,
    name: str = "gpu-test",
    doing: Generation | None = None,
    delivering: Generation | None = None,
) -> None:
    status = WorkerStatus(
        name=name,
        host="h",
        pid=1,
        device="cpu",
        budget_bytes=1,
        generation_id=str(doing.id) if doing else None,
        attempt=doing.attempt if doing else 0,
        delivering_id=str(delivering.id) if delivering else None,
        delivering_attempt=delivering.attempt if delivering else 0,
    )
    valkey.zadd(WORKERS_KEY, {name: time.time()})
    valkey.set(worker_key(name), json.dumps(status.to_wire()), ex=3600)


def in_a_while(seconds: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=False)


def test_a_request_that_nobody_rang_for_is_dispatched(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    assert generation.state == State.QUEUED
    assert housekeeping.beat()
    generation.refresh_from_db()
    assert generation.state == State.DISPATCHED


def test_a_job_lost_between_commit_and_enqueue_is_enqueued(
    toy: Model, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = factories.submitted(alice.workspace)

    def die(_: Generation, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dispatch, "enqueue", die)
    with pytest.raises(KeyboardInterrupt):
        dispatch.fill_window()
    monkeypatch.undo()
    generation.refresh_from_db()
    assert (generation.state, dispatch.render_queue().count) == (State.DISPATCHED, 0)
    with in_a_while(3):
        housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [generation.job_id]


def test_an_empty_valkey_loses_nothing(dispatched: Generation, valkey: redis.Redis) -> None:
    valkey.flushall()
    with in_a_while(3):
        housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [dispatched.job_id]


def test_a_job_that_lost_its_place_in_line_gets_another(dispatched: Generation, valkey: redis.Redis) -> None:
    """What a server that evicts keys leaves: the record, and no line."""
    valkey.delete(dispatch.render_queue().key)
    with in_a_while(3):
        housekeeping.beat()
        housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [dispatched.job_id]
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.DISPATCHED, 1)


def test_a_job_whose_record_cannot_be_read_gets_another(dispatched: Generation, valkey: redis.Redis) -> None:
    valkey.hset(f"rq:job:{dispatched.job_id}", "timeout", "abc")
    valkey.delete(dispatch.render_queue().key)  # the worker that popped it dropped it
    with in_a_while(3):
        housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [dispatched.job_id]
    assert queues.job(dispatched.job_id).timeout == dispatched.version.timeout_seconds


def test_a_job_whose_record_is_gone_while_it_stands_in_line_is_in_line_once(
    dispatched: Generation, valkey: redis.Redis
) -> None:
    valkey.delete(f"rq:job:{dispatched.job_id}")
    with in_a_while(3):
        lost_attempts.dispatch_lost()
    assert dispatch.render_queue().get_job_ids() == [dispatched.job_id]


@pytest.mark.parametrize("place", ["rq:queue:render", "rq:queue:render:intermediate"])
def test_a_job_that_is_somewhere_keeps_its_record(dispatched: Generation, valkey: redis.Redis, place: str) -> None:
    valkey.delete(dispatch.render_queue().key)
    valkey.rpush(place, dispatched.job_id)
    assert not dispatch.has_lost_its_place(queues.job(dispatched.job_id))


def test_a_job_that_the_last_release_enqueued_keeps_its_place_and_gets_another_when_it_loses_it(
    dispatched: Generation, valkey: redis.Redis
) -> None:
    former, line = former_job_id(str(dispatched.id), 1), dispatch.render_queue()
    valkey.rename(f"rq:job:{dispatched.job_id}", f"rq:job:{former}")
    valkey.delete(line.key)
    valkey.rpush(line.key, former)
    with in_a_while(3):
        housekeeping.beat()
        assert line.get_job_ids() == [former]
        valkey.delete(line.key)  # as a worker leaves it that may not read jobs of such ids
        housekeeping.beat()
    assert line.get_job_ids() == [dispatched.job_id]
    assert not valkey.exists(f"rq:job:{former}")


def test_beating_twice_enqueues_once(dispatched: Generation) -> None:
    with in_a_while(3):
        housekeeping.beat()
        housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [dispatched.job_id]


def test_a_silent_worker_loses_its_job_to_another(dispatched: Generation, valkey: redis.Redis) -> None:
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    with in_a_while(20):
        housekeeping.beat()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.DISPATCHED, 2)


def test_a_worker_that_beats_keeps_its_job(dispatched: Generation, valkey: redis.Redis) -> None:
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    with in_a_while(dispatched.version.timeout_seconds + 60):
        heartbeat(valkey, doing=dispatched)
        housekeeping.beat()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.RUNNING, 1)


def test_a_worker_that_has_forgotten_its_job_loses_it(dispatched: Generation, valkey: redis.Redis) -> None:
    """Valkey lost its memory between the end of the render and the settlement: report and result are gone."""
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    valkey.flushall()
    with in_a_while(20):
        heartbeat(valkey)
        housekeeping.beat()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.DISPATCHED, 2)


def test_a_lost_report_is_read_from_the_jobs_result(dispatched: Generation, valkey: redis.Redis) -> None:
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    factories.deliver_clip(dispatched)
    job = Job.fetch(dispatched.job_id, connection=valkey, serializer=JSONSerializer)
    job.set_status(JobStatus.FINISHED)
    job.ended_at = datetime.now(UTC)
    job.save()
    Result.create(job, Result.Type.SUCCESSFUL, ttl=1000, return_value=factories.report(dispatched).to_wire())
    with in_a_while(10):
        heartbeat(valkey)
        housekeeping.beat()
    dispatched.refresh_from_db()
    assert dispatched.state == State.SUCCEEDED


def test_a_job_popped_by_a_worker_that_died_at_once_is_handed_on(dispatched: Generation, valkey: redis.Redis) -> None:
    line = dispatch.render_queue()
    assert valkey.lmove(line.key, f"{line.key}:intermediate", "LEFT", "RIGHT")
    with in_a_while(3):
        housekeeping.beat()
    dispatched.refresh_from_db()
    assert dispatched.attempt == 1  # it may just be on its way
    with in_a_while(30):
        housekeeping.beat()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.attempt) == (State.DISPATCHED, 2)


def test_a_clip_that_its_worker_delivers_beside_the_next_is_not_lost(
    dispatched: Generation, valkey: redis.Redis
) -> None:
    assert dispatched.render_job(inputs={}, outputs={}).may_overlap
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    with in_a_while(30):
        heartbeat(valkey, delivering=dispatched)
        lost_attempts.reclaim_from_dead_workers()
        dispatched.refresh_from_db()
        assert (dispatched.state, dispatched.attempt) == (State.RUNNING, 1)
        heartbeat(valkey)
        lost_attempts.reclaim_from_dead_workers()
    dispatched.refresh_from_db()
    assert dispatched.state != State.RUNNING


def test_a_clip_that_was_tried_before_is_delivered_alone(dispatched: Generation) -> None:
    dispatched.attempt = 2
    assert not dispatched.render_job(inputs={}, outputs={}).may_overlap


def test_a_cancel_that_did_not_reach_its_worker_is_repeated(dispatched: Generation, valkey: redis.Redis) -> None:
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    settlement.cancel(dispatched)
    assert not valkey.exists(cancel_key(str(dispatched.id)))  # the callbacks of this test's transaction never ran
    heartbeat(valkey, doing=dispatched)
    housekeeping.beat()
    assert valkey.exists(cancel_key(str(dispatched.id)))


def test_a_hold_without_an_open_generation_is_released(dispatched: Generation) -> None:
    Generation.objects.filter(id=dispatched.id).update(state=State.FAILED)
    with in_a_while(120):
        housekeeping.release_orphaned_holds()
    receipt = ledger.receipt(reference=dispatched.id)
    assert (receipt.captured, receipt.released) == (0, dispatched.credits_quoted)


def test_a_hold_of_an_open_generation_stays(dispatched: Generation) -> None:
    with in_a_while(7 * 24 * 3600):
        housekeeping.release_orphaned_holds()
    assert ledger.receipt(reference=dispatched.id).state == "open"


def test_a_clip_that_ends_while_its_hold_is_looked_at_is_no_error(
    dispatched: Generation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked = ledger.open_holds

    def ends_meanwhile(**asked: Any) -> Any:
        found = looked(**asked)
        settlement.settle(factories.report(dispatched, Outcome.FAILED))
        return found

    monkeypatch.setattr(ledger, "open_holds", ends_meanwhile)
    with in_a_while(120):
        housekeeping.release_orphaned_holds()
    assert ledger.receipt(reference=dispatched.id).state == "released"
    assert "outlived" not in caplog.text


def test_a_beat_without_valkey_still_does_what_it_can(dispatched: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("generation.settlement.housekeeping.connection", lambda: nobody)
    monkeypatch.setattr("generation.settlement.lost_attempts.connection", lambda: nobody)
    monkeypatch.setattr("generation.scheduling.capacity.connection", lambda: nobody)
    assert housekeeping.beat()


def test_a_failed_attempt_is_reported_once_though_many_look(dispatched: Generation) -> None:
    settlement.start(generation_id=dispatched.id, attempt=1, worker="gpu-test")
    report = factories.report(dispatched, Outcome.FAILED)
    with transaction.atomic():
        assert settlement.settle(report)
    assert [settlement.settle(report) for _ in range(3)] == [False] * 3


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


# --- one row that cannot be served -------------------------------------------------------------------------------


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


@pytest.mark.django_db
@pytest.mark.parametrize("is_there_a_beat", [True, False])
def test_valkey_knows_the_scripts_of_gpu_hosts_again_after_a_restart(
    toy: Model, alice: Visitor, valkey: redis.Redis, is_there_a_beat: bool
) -> None:
    generation = factories.submitted(alice.workspace)
    valkey.script_flush()
    if is_there_a_beat:
        housekeeping.beat()
    else:
        dispatch.enqueue(generation)
    digests = [hashlib.sha1(text.encode()).hexdigest() for text in scripts.SCRIPTS]  # noqa: S324 - Valkey's name for it
    assert all(valkey.script_exists(*digests))


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
