"""The beat puts right whatever a crash left."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import housekeeping, lost_attempts
from generation.settlement import settle as settlement
from gpu_worker.contract import Outcome
from gpu_worker.rq_seams import scripts
from gpu_worker.valkey_names import cancel_key, former_job_id
from loremotion import queues
from tests.generation import factories
from tests.generation.lost_work import heartbeat, in_a_while


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
