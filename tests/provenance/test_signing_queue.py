"""Clips are signed in a queue of their own: no report waits for that, and what dies on the way loses nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from billing import ledger
from generation import reports
from generation.models import Clip, Generation, State
from generation.provenance import signing
from generation.scheduling import wait
from generation.settlement import deletion, endings, forecasting, lost_attempts, signing_queue
from generation.storage import traces
from gpu_worker import log_context
from gpu_worker.contract import WORKER_DEAD_AFTER_SECONDS, Outcome, RenderReport
from gpu_worker.last_work import LastWork
from loremotion import queues
from tests.generation import factories
from tests.provenance.conftest import Delivered, sign_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(valkey: redis.Redis) -> Generation:
    factories.model()
    return factories.submitted(factories.visitor(credits=100).workspace)


@pytest.fixture
def at_work(signing_site: Settings, valkey: redis.Redis) -> None:
    """The site signs, and the process for it works."""
    LastWork(valkey, signing_queue.QUEUE).note()


def in_line() -> int:
    return queues.loads([signing_queue.QUEUE])[0].waiting


def work_off() -> None:
    """Do what stands in line, as the process does, within the test's transaction."""
    line = queues.queue(signing_queue.QUEUE)
    jobs = line.get_jobs()
    line.empty()
    for job in jobs:
        queues.table(signing_queue.QUEUE)[job.func_name](*job.args)


def state_of(generation: Generation) -> tuple[str, bool]:
    """Its state, and whether its clip is signed."""
    generation.refresh_from_db()
    return generation.state, Clip.objects.filter(generation=generation, signed_at__isnull=False).exists()


def rendered(
    generation: Generation, valkey: redis.Redis, report: RenderReport, *, host_is_ahead_seconds: float = 0.0
) -> None:
    """Its job has ended in RQ, by the clock of its GPU host, and left this report as its result."""
    generation.refresh_from_db()
    job = Job.fetch(generation.job_id, connection=valkey, serializer=JSONSerializer)
    job.set_status(JobStatus.FINISHED)
    job.ended_at = datetime.now(UTC) + timedelta(seconds=host_is_ahead_seconds)
    job.save()
    Result.create(job, Result.Type.SUCCESSFUL, ttl=1000, return_value=report.to_wire())


def in_its_line(generation: Generation, valkey: redis.Redis) -> Job:
    """RQ's record of its report that waits to be signed."""
    job_id = traces.signing_id(str(generation.id), generation.attempt)
    return Job.fetch(job_id, connection=valkey, serializer=JSONSerializer)


def in_a_while(seconds: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=False)


def never(*_: Any) -> Any:
    raise AssertionError("nothing is signed here")


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

    def die(*_: Any) -> None:
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


def test_a_late_signature_that_is_lost_is_tried_again(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    reports.finished(delivered(mine).to_wire())
    Clip.objects.update(sign_at=timezone.now())
    signing_queue.enqueue_due()
    assert in_line() == 1
    queues.queue(signing_queue.QUEUE).empty()
    signing_queue.enqueue_due()
    assert in_line() == 0, "its next try is a minute away"
    with in_a_while(2 * 24 * 3600):
        signing_queue.enqueue_due()
    assert in_line() == 1


def test_a_late_signature_names_the_click_and_the_clip(
    signing_site: Settings, mine: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    Generation.objects.filter(id=mine.id).update(request_id="click-1")
    reports.finished(delivered(mine).to_wire())
    in_force: list[tuple[str, str]] = []

    def noted(*_: object) -> Any:
        in_force.append((log_context.current("request_id"), log_context.current("generation_id")))
        raise ValueError("the key service is away")

    monkeypatch.setattr(signing, "sign", noted)
    signing_queue.sign_late(str(mine.id))
    assert in_force == [("click-1", str(mine.id))]


def test_late_signatures_hold_up_no_new_clip(
    signing_site: Settings, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_queue, "LATE_IN_LINE", 1)
    factories.model()
    workspace = factories.visitor(credits=100).workspace
    for generation in [factories.submitted(workspace), factories.submitted(workspace)]:
        reports.finished(delivered(generation).to_wire())
    Clip.objects.update(sign_at=timezone.now())
    signing_queue.enqueue_due()
    signing_queue.enqueue_due()
    assert in_line() == 1
    assert Clip.objects.filter(sign_at__lte=timezone.now()).count() == 1, "the other is due still"


def test_of_two_late_signatures_of_one_clip_the_first_counts(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis
) -> None:
    reports.finished(delivered(mine).to_wire())
    assert signing_queue.sign_late(str(mine.id))
    first = Clip.objects.get(generation=mine).signed_sha256
    assert not signing_queue.sign_late(str(mine.id))
    assert Clip.objects.get(generation=mine).signed_sha256 == first


def test_a_forged_report_is_not_settled_from_this_line_either(
    at_work: None, mine: Generation, delivered: Delivered
) -> None:
    said = delivered(mine).to_wire() | {"secret": "guessed"}
    with pytest.raises(ValueError, match="secret"):
        signing_queue.settle_signed(said)
    assert state_of(mine) == (State.RUNNING, False)


def test_a_try_is_claimed_only_as_it_comes_into_line(
    signing_site: Settings, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.model()
    workspace = factories.visitor(credits=100).workspace
    for generation in [factories.submitted(workspace), factories.submitted(workspace)]:
        reports.finished(delivered(generation).to_wire())
    Clip.objects.update(sign_at=timezone.now())

    def away(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("Valkey is away")

    with monkeypatch.context() as patch:
        patch.setattr(signing_queue, "_enqueue", away)
        with pytest.raises(redis.ConnectionError):
            signing_queue.enqueue_due()
    assert Clip.objects.filter(sign_at__lte=timezone.now()).count() == 1, "the other waits for no next try"


def test_the_last_try_is_over_only_once_it_has_failed(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.finished(delivered(mine).to_wire())
    with in_a_while(signing.GIVEN_UP_AFTER.total_seconds() + 120):
        signing_queue.enqueue_due()
        queues.queue(signing_queue.QUEUE).empty()
        assert Clip.objects.get().sign_at is not None, "nobody has tried"
        with monkeypatch.context() as patch:
            patch.setattr(signing, "sign", never)
            assert not signing_queue.sign_late(str(mine.id))
        assert Clip.objects.get().sign_at is None


def test_a_clip_that_is_deleted_while_it_is_signed_late_leaves_no_signed_file(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.finished(delivered(mine).to_wire())
    sign = signing.sign
    made: list[signing.Signed] = []

    def deleted_meanwhile(*args: Any) -> signing.Signed:
        made.append(sign(*args))
        deletion.delete(Generation.objects.get(id=mine.id))
        return made[0]

    monkeypatch.setattr(signing, "sign", deleted_meanwhile)
    assert not signing_queue.sign_late(str(mine.id))
    assert not default_storage.exists(made[0].clip_key)
    assert not default_storage.exists(made[0].manifest_key)


def test_of_a_deleted_clip_nothing_is_signed(
    signing_site: Settings, mine: Generation, delivered: Delivered, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.finished(delivered(mine).to_wire())
    Clip.objects.update(sign_at=timezone.now())
    deletion.delete(Generation.objects.get(id=mine.id))
    monkeypatch.setattr(signing, "sign", lambda *_: pytest.fail("it is signed"))
    signing_queue.enqueue_due()
    assert in_line() == 0
    assert not signing_queue.sign_late(str(mine.id))


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
