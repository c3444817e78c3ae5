"""Clips are signed in a queue of their own, so no report waits for that."""

from __future__ import annotations

import pytest
import redis
from django.utils import timezone
from pytest_django import Settings

from billing import ledger
from generation import reports
from generation.models import Clip, Generation, State
from generation.provenance import signing
from generation.scheduling import wait
from generation.settlement import forecasting, lost_attempts, signing_queue
from generation.storage import traces
from gpu_worker.contract import Outcome
from gpu_worker.last_work import LastWork
from loremotion import queues
from tests.generation import factories
from tests.provenance.conftest import Delivered
from tests.provenance.signing_line import in_a_while, in_its_line, in_line, never, rendered, state_of, work_off

pytestmark = pytest.mark.django_db


def test_a_report_leaves_at_once_and_its_clip_is_settled_signed(
    at_work: None, mine: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = delivered(mine).to_wire()
    with monkeypatch.context() as patch:
        patch.setattr(signing, "sign", never)
        assert reports.finished(said)
    assert (state_of(mine), in_line()) == ((State.RUNNING, False), 1)
    work_off()
    assert (state_of(mine), in_line()) == ((State.SUCCEEDED, True), 0)
    assert ledger.receipt(reference=mine.id).captured == mine.credits_quoted


def test_a_report_that_comes_twice_is_in_line_once(at_work: None, mine: Generation, delivered: Delivered) -> None:
    said = delivered(mine).to_wire()
    assert reports.finished(said)
    assert reports.finished(said)
    assert in_line() == 1


def test_what_has_no_clip_is_settled_where_it_came(at_work: None, mine: Generation, delivered: Delivered) -> None:
    delivered(mine)
    assert reports.finished(factories.report(mine, Outcome.BLOCKED).to_wire())
    assert (state_of(mine), in_line()) == ((State.BLOCKED, False), 0)


def test_a_site_that_signs_nothing_has_nobody_wait(mine: Generation, delivered: Delivered, valkey: redis.Redis) -> None:
    LastWork(valkey, signing_queue.QUEUE).note()
    assert reports.finished(delivered(mine).to_wire())
    assert (state_of(mine), in_line()) == ((State.SUCCEEDED, False), 0)


def test_while_nobody_signs_clips_are_delivered_unsigned_and_signed_later(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    assert reports.finished(delivered(mine).to_wire())
    assert (state_of(mine), in_line()) == ((State.SUCCEEDED, False), 0)
    Clip.objects.update(sign_at=timezone.now())
    signing_queue.enqueue_due()
    work_off()
    assert state_of(mine) == (State.SUCCEEDED, True)


def test_behind_a_long_line_clips_are_delivered_unsigned(
    at_work: None, mine: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_queue, "MOST_IN_LINE", 0)
    assert reports.finished(delivered(mine).to_wire())
    assert (state_of(mine), in_line()) == ((State.SUCCEEDED, False), 0)


def test_who_stands_in_a_long_line_keeps_its_place(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_queue, "MOST_IN_LINE", 1)
    report = delivered(mine)
    rendered(mine, valkey, report)
    assert reports.finished(report.to_wire())
    with in_a_while(lost_attempts.REPORT_GRACE_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
    assert (state_of(mine), in_line()) == ((State.RUNNING, False), 1), "it is the one that makes the line long"
    work_off()
    assert state_of(mine) == (State.SUCCEEDED, True)


def test_of_a_deleted_request_no_report_is_left_in_line(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    assert reports.finished(delivered(mine).to_wire())
    traces.forget([mine])
    assert queues.queue(signing_queue.QUEUE).get_jobs() == []


def test_a_forged_report_is_not_settled_from_this_line_either(
    at_work: None, mine: Generation, delivered: Delivered
) -> None:
    said = delivered(mine).to_wire() | {"secret": "guessed"}
    with pytest.raises(ValueError, match="secret"):
        signing_queue.settle_signed(said)
    assert state_of(mine) == (State.RUNNING, False)


def test_whoever_waits_for_a_signature_is_told_so_and_is_ahead_of_nobody(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    report = delivered(mine)
    other = factories.submitted(factories.visitor(credits=100).workspace)
    forecasting.put_up_forecast()
    mine.refresh_from_db()
    assert (wait.wait_of(mine).reason, wait.wait_of(other).place) == ("Rendering now.", 1)
    assert reports.finished(report.to_wire())
    forecasting.put_up_forecast()
    assert (wait.wait_of(mine).reason, wait.wait_of(other).place) == ("It's made, and waits to be signed.", 0)
    queues.queue(signing_queue.QUEUE).empty()
    forecasting.put_up_forecast()
    assert wait.wait_of(other).place == 1, "the line was lost, and nobody knows of a signature"


def test_a_clip_that_is_being_signed_is_in_line_still(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    assert reports.finished(delivered(mine).to_wire())
    job = in_its_line(mine, valkey)
    line = queues.queue(signing_queue.QUEUE)
    valkey.lrem(line.key, 0, job.id)
    assert signing_queue.in_line() == set()
    valkey.zadd(line.started_job_registry.key, {f"{job.id}:execution": 2**40})
    assert signing_queue.in_line() == {str(mine.id)}
