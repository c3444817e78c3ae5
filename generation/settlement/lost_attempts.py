"""Attempts that a crash left between database, RQ and worker: enqueued again, settled from RQ's result, handed on."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.db import InterfaceError, OperationalError
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F
from django.utils import timezone
from rq.job import Job, JobStatus

from generation.models import OPEN_STATES, Generation, State
from generation.scheduling import capacity, dispatch
from generation.settlement import attempts, retries, settle, signing_queue
from generation.settlement.verification import NotBelieved, read_report, verify_worker_name
from gpu_worker.contract import LATE_SECONDS, Outcome, RenderReport
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS, attempt_of, worker_of
from loremotion.refusals import Unavailable
from loremotion.sweeping import each
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

BATCH, IN_TURN = 200, 32
"""Rows of a sweep that something seems to be wrong with, and of the others: each costs journeys to Valkey."""
_begins_at: dict[str, int] = {}
"""By sweep: where among its rows the next round begins."""
REPORT_GRACE_SECONDS = 5.0
"""How long after the end of a job its report may still be on its way."""
REPORT_LATE_SECONDS = 60.0
"""What the report of a render that used its time to the last may take to be heard."""
POPPED_TTL_SECONDS = 24 * 3600
_STORE_IS_AWAY = (redis.RedisError, OperationalError, InterfaceError, OSError, Unavailable)


def dispatch_lost() -> None:
    """Enqueue again the jobs that a crash kept from reaching RQ, or that RQ lost with its memory.

    Those that are not where they belong are looked after at once, however long the line, and some of the others in
    turn: the record of one may be gone or unreadable though it stands in line.
    """
    settled_by = timezone.now() - timedelta(seconds=2)  # whoever dispatched it may be about to enqueue it
    dispatched = Generation.objects.filter(state=State.DISPATCHED, dispatched_at__lt=settled_by)
    known = dispatched.order_by("dispatched_at", "id").values_list("id", "attempt", "fair_finish", "times_aside")
    waiting = [dispatch.Dispatched(*row) for row in known]
    missing = dispatch.not_in_their_places(waiting)
    rows = first_and_in_turn("dispatched", [each.id for each in waiting], missing)

    def look_after_dispatched(generation: Generation) -> None:
        job = attempts.job_of(generation)
        if job is None or dispatch.has_lost_its_place(job):
            dispatch.enqueue_anew(generation)
        elif job.get_status() == JobStatus.STARTED:  # the report of its start got lost
            settle.start(generation_id=generation.id, attempt=generation.attempt, worker=_worker_of(job))
        elif _has_ended(job):
            _settle_from(job, generation)
        elif _was_lost_at_the_pop(job):
            hand_on(generation)
        elif generation.id in missing:  # enqueued by a process that died before it put it in its place
            dispatch.go_before_free(generation)

    found = dispatched.filter(id__in=rows).select_related("version__model").order_by("dispatched_at")
    each(found, look_after_dispatched)


def first_and_in_turn(sweep: str, ids: Sequence[uuid.UUID], first: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Return those of ``ids`` that ``sweep`` looks after in this round: of ``first`` as many as it can, and a few of
    the others, each part where the round before stopped."""
    dropped = [id for id in ids if id in first]
    others = [id for id in ids if id not in first]
    return [*_in_turn(f"{sweep} first", dropped, BATCH), *_in_turn(sweep, others, IN_TURN)]


def _in_turn(name: str, ids: Sequence[uuid.UUID], most: int) -> list[uuid.UUID]:
    begin = _begins_at.get(name, 0) % max(1, len(ids))
    _begins_at[name] = begin + most
    return [*ids[begin:], *ids[:begin]][:most]


def _worker_of(job: Job) -> str:
    """Return the worker that RQ says has the job; empty where that is no valid name."""
    name = worker_of(job.worker_name or "")
    try:
        verify_worker_name(name)
    except NotBelieved:
        return ""
    return name


def reclaim_overdue() -> None:
    """Take back attempts that run for longer than any render may, whatever a heartbeat says of them.

    A render asks for its time limit between any two steps, its loading, inputs and upload included; one that is stuck
    between two is ended ``LATE_SECONDS`` after the limit by its supervisor. One that waited for the delivery before it
    has that much more, up to its limit again. So this takes none from an honest worker.
    """
    seconds = 2 * F("version__timeout_seconds") + (LATE_SECONDS + REPORT_LATE_SECONDS)
    limit = ExpressionWrapper(seconds * timedelta(seconds=1), output_field=DurationField())
    overdue = Generation.objects.filter(state=State.RUNNING).alias(limit=limit)
    overdue = overdue.filter(
        started_at__lt=ExpressionWrapper(timezone.now() - F("limit"), output_field=DateTimeField())
    )

    def look_after_overdue(generation: Generation) -> None:
        job = attempts.job_of(generation)
        report = _report_of(job) if job is not None and _has_ended(job) else None  # it came while the site was off
        if report is None or not _is_settled(report):
            hand_on(generation, "The GPU worker did not end it in time.")

    each(overdue.select_related("version__model").order_by("started_at")[:BATCH], look_after_overdue)


def _is_settled(report: RenderReport) -> bool:
    """Settle by the report of an attempt that is given up otherwise. Returns whether that decided it: not where the
    report makes it fail, as it would in every round, and neither the clip nor its hold would ever end.

    Raises:
        RedisError, OperationalError, InterfaceError, OSError, Unavailable: a store is away.
    """
    try:
        return settle.settle(report)
    except _STORE_IS_AWAY:
        raise
    except Exception:
        logger.exception("The result of attempt %d cannot be settled: it goes to another worker", report.attempt)
        return False


def reclaim_from_dead_workers() -> None:
    """Take back attempts that no living worker has in hand: they go to another, or fail after the last try."""
    in_hand = {attempt for status in capacity.statuses() for attempt in status.in_hand}
    silent_since = timezone.now() - timedelta(seconds=WORKER_DEAD_AFTER_SECONDS)
    running = Generation.objects.filter(state=State.RUNNING)
    known = list(running.order_by("dispatched_at", "id").values_list("id", "attempt"))
    dropped = {id for id, attempt in known if (str(id), attempt) not in in_hand}
    rows = first_and_in_turn("running", [id for id, _ in known], dropped)

    def look_after_running(generation: Generation) -> None:
        job = attempts.job_of(generation)
        is_in_hand = (str(generation.id), generation.attempt) in in_hand
        if job is not None and _has_ended(job):
            _settle_from(job, generation)
        elif not is_in_hand and generation.started_at and generation.started_at < silent_since:
            hand_on(generation)

    found = running.filter(id__in=rows).select_related("version__model").order_by("dispatched_at")
    each(found, look_after_running)


def _has_ended(job: Job) -> bool:
    return job.get_status() in (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


def _settle_from(job: Job, generation: Generation) -> None:
    """Settle from the result of a job that has ended in RQ, where its report never came or waits to be signed."""
    ended_seconds = (datetime.now(UTC) - job.ended_at).total_seconds() if job.ended_at else -1.0
    if 0 <= ended_seconds < REPORT_GRACE_SECONDS:
        return
    report = _report_of(job)
    if report is None:
        hand_on(generation)
    elif not signing_queue.hand_over(report):
        settle_ended(report)


def settle_ended(report: RenderReport) -> bool:
    """Settle by the report of an attempt, unless it failed while the clip of an earlier one waits to be signed.

    Returns whether this call decided it.
    """
    if report.outcome != Outcome.SUCCEEDED and report.attempt > 1:
        open_still = Generation.objects.filter(id=report.generation_id, state__in=OPEN_STATES)
        failed = open_still.filter(attempt=report.attempt, cancel_asked_at__isnull=True).first()
        if failed is not None and (decided := _decided_by_clip_in_line(failed)) is not None:
            return decided
    return settle.settle(report)


def _report_of(job: Job) -> RenderReport | None:
    """Return the report that the job left as its result; None where there is none that is believed.

    Raises:
        RedisError, OperationalError, InterfaceError, OSError, Unavailable: a store is away, and nobody knows.
    """
    try:
        result = job.latest_result()
        report = read_report(result.return_value) if result is not None and result.return_value else None
    except _STORE_IS_AWAY:
        raise
    except Exception as problem:  # of another version, or written by nobody whom we asked: RQ reads it in many ways
        logger.warning("The result of %s is refused: %r", job.id, problem)
        return None
    return report if report is not None and (report.generation_id, report.attempt) == attempt_of(job.id) else None


def _was_lost_at_the_pop(job: Job) -> bool:
    """Return whether a worker popped the job and died before it began: it is in RQ's intermediate queue alone.

    Since when is kept under a key of the site's own, as GPU hosts may write the one that RQ has for it.
    """
    lines = [line.intermediate_queue_key for line in dispatch.attempt_queues()]
    popped = next((each for each in lines if connection().lpos(each, job.id) is not None), None)
    if popped is None:
        return False
    now = time.time()
    seen: Any = connection().set(f"popped:{job.id}", now, nx=True, get=True, ex=POPPED_TTL_SECONDS)
    if seen is None or now - float(seen) < WORKER_DEAD_AFTER_SECONDS:
        return False
    connection().lrem(popped, 0, job.id)
    connection().delete(f"popped:{job.id}")
    return True


def hand_on(generation: Generation, reason: str = "The GPU worker fell silent.") -> bool:
    """Begin anew what a worker was lost with, or give it up, unless the clip is finished and waits to be signed.

    Returns whether this call decided it.
    """
    decided = _decided_by_clip_in_line(generation)
    if decided is not None:
        return decided
    return retries.requeue(
        generation_id=generation.id,
        attempt=generation.attempt,
        code="worker_lost",
        reason=reason,
        gpu_seconds=attempts.seconds_taken(generation),
    )


def _decided_by_clip_in_line(generation: Generation) -> bool | None:
    """Let the clip of any attempt decide that is finished and waits to be signed.

    Returns whether this call decided it; None where there is no such clip, or it has come to harm.
    """
    report = signing_queue.report_in_line(generation)
    if report is None:
        return None
    if signing_queue.hand_over(report):
        return False
    return _is_settled(report) or None
