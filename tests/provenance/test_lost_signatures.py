"""Whatever dies while a clip waits for its signature: it is made once, paid once and delivered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis
from django.utils import timezone
from pytest_django import Settings
from rq.job import JobStatus

from billing import ledger
from generation import reports
from generation.models import OPEN_STATES, Clip, Generation, State
from generation.scheduling import dispatch
from generation.settlement import endings, lost_attempts, settle, signing_queue
from gpu_worker.contract import Outcome
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS
from loremotion import queues
from tests.generation import factories
from tests.provenance.conftest import Delivered, sign_due
from tests.provenance.signing_line import in_a_while, in_its_line, in_line, rendered, state_of, work_off

pytestmark = pytest.mark.django_db


def test_a_line_that_was_lost_is_filled_again_by_the_beat(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    report = delivered(mine)
    rendered(mine, valkey, report)
    assert reports.finished(report.to_wire())
    queues.queue(signing_queue.QUEUE).empty()
    with in_a_while(lost_attempts.REPORT_GRACE_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
        lost_attempts.reclaim_from_dead_workers()
    assert (state_of(mine), in_line()) == ((State.RUNNING, False), 1)
    work_off()
    assert state_of(mine) == (State.SUCCEEDED, True)


def test_a_clip_that_waits_too_long_is_settled_by_the_beat_and_signed_later(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    report = delivered(mine)
    rendered(mine, valkey, report)
    assert reports.finished(report.to_wire())
    with in_a_while(signing_queue.HELD_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
    assert state_of(mine) == (State.SUCCEEDED, False)
    work_off()  # it comes to it after all
    assert state_of(mine) == (State.SUCCEEDED, False)
    Clip.objects.update(sign_at=timezone.now())
    sign_due()
    assert state_of(mine) == (State.SUCCEEDED, True)


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_how_long_a_clip_waits_is_the_sites_clock_to_say(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis, ahead: float
) -> None:
    report = delivered(mine)
    rendered(mine, valkey, report, host_is_ahead_seconds=ahead)
    assert reports.finished(report.to_wire())
    lost_attempts.reclaim_from_dead_workers()
    assert (state_of(mine), in_line()) == ((State.RUNNING, False), 1)
    with in_a_while(signing_queue.HELD_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
    assert state_of(mine) == (State.SUCCEEDED, False)


def test_whose_signature_has_failed_waits_for_it_no_longer(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    report = delivered(mine)
    rendered(mine, valkey, report)
    assert reports.finished(report.to_wire())
    in_its_line(mine, valkey).set_status(JobStatus.FAILED)
    with in_a_while(lost_attempts.REPORT_GRACE_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
    assert state_of(mine) == (State.SUCCEEDED, False)


@pytest.mark.parametrize("beats_after", [WORKER_DEAD_AFTER_SECONDS + 1, signing_queue.HELD_SECONDS + 1])
def test_a_worker_that_dies_behind_its_report_has_no_clip_made_twice(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis, beats_after: float
) -> None:
    assert reports.finished(delivered(mine).to_wire())
    with in_a_while(beats_after):
        lost_attempts.reclaim_from_dead_workers()
        lost_attempts.reclaim_overdue()
    waits = beats_after < signing_queue.HELD_SECONDS
    assert state_of(mine) == (State.RUNNING if waits else State.SUCCEEDED, False)
    work_off()
    assert state_of(mine) == (State.SUCCEEDED, waits)
    assert (mine.attempt, ledger.receipt(reference=mine.id).captured) == (1, mine.credits_quoted)


def test_a_worker_that_is_told_lost_behind_its_report_has_no_clip_made_twice(
    at_work: None, mine: Generation, delivered: Delivered
) -> None:
    said = delivered(mine)
    assert reports.finished(said.to_wire())
    assert not reports.worker_lost(str(mine.id), 1, "gpu-test", "killed", said.secret)
    assert state_of(mine) == (State.RUNNING, False)
    work_off()
    assert state_of(mine) == (State.SUCCEEDED, True)


def test_the_last_attempt_that_is_lost_gives_nothing_up_while_an_earlier_one_waits_to_be_signed(
    at_work: None, mine: Generation, delivered: Delivered, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS = 2
    late = delivered(mine)
    assert factories.lose_worker(mine, 1)
    dispatch.fill_window()
    assert reports.finished(late.to_wire())
    assert not factories.lose_worker(mine, 2)
    assert state_of(mine)[0] in OPEN_STATES
    work_off()
    assert state_of(mine) == (State.SUCCEEDED, True)
    assert (mine.attempt, ledger.receipt(reference=mine.id).captured) == (2, mine.credits_quoted)


@pytest.mark.parametrize("is_heard_by", ["reports", "beat"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_the_last_attempt_that_fails_gives_nothing_up_while_an_earlier_one_waits_to_be_signed(
    at_work: None,
    mine: Generation,
    delivered: Delivered,
    valkey: redis.Redis,
    settings: Settings,
    is_heard_by: str,
    is_signed: bool,
) -> None:
    settings.MAX_ATTEMPTS = 2
    late = delivered(mine)
    assert factories.lose_worker(mine, 1)
    dispatch.fill_window()
    settle.start(generation_id=mine.id, attempt=2, worker="gpu-test")
    assert reports.finished(late.to_wire())
    if not is_signed:
        in_its_line(mine, valkey, attempt=1).set_status(JobStatus.FAILED)
    failed = factories.report(mine, Outcome.FAILED)
    if is_heard_by == "reports":
        reports.finished(failed.to_wire())
    else:
        rendered(mine, valkey, failed)
        with in_a_while(lost_attempts.REPORT_GRACE_SECONDS + 1):
            lost_attempts.reclaim_from_dead_workers()
    if is_signed:
        assert state_of(mine)[0] in OPEN_STATES
        work_off()
    assert state_of(mine) == (State.SUCCEEDED, is_signed)
    assert (mine.attempt, ledger.receipt(reference=mine.id).captured) == (2, mine.credits_quoted)


def test_what_stands_in_line_and_is_not_believed_keeps_nobody(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    said = delivered(mine)
    assert signing_queue.hand_over(replace(said, secret="guessed"))
    with in_a_while(WORKER_DEAD_AFTER_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
    assert state_of(mine)[0] in (State.QUEUED, State.DISPATCHED)


def test_dying_in_the_middle_leaves_the_clip_to_the_beat(
    at_work: None, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Death

    report = delivered(mine)
    rendered(mine, valkey, report)
    assert reports.finished(report.to_wire())
    in_its_line(mine, valkey).set_status(JobStatus.STARTED)
    with monkeypatch.context() as patch:
        patch.setattr(endings, "wind_up", die)
        with pytest.raises(Death):
            signing_queue.settle_signed(report.to_wire())
    assert state_of(mine) == (State.RUNNING, False)
    with in_a_while(signing_queue.HELD_SECONDS + 1):
        lost_attempts.reclaim_from_dead_workers()
    assert state_of(mine) == (State.SUCCEEDED, False)
