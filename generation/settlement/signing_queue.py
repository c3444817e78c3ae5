"""The queue ``signing``: clips are signed in a process of their own, so that no report waits for a signature.

A report of a finished clip goes from the queue ``reports`` into this one, and is settled here with the signed file. It
decides what it would have decided there, and until then the finished job in RQ still says the same: where the line is
lost, or nobody works it off, the beat settles the clip as it was delivered. That one has a time for being signed in its
row, and the beat puts it into this line when it has come.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis
from rq.exceptions import DeserializationError, DuplicateJobError, NoSuchJobError
from rq.job import JobStatus

from generation.models import Generation
from generation.provenance import certificate, signing
from generation.settlement import settle
from generation.settlement.verification import read_report
from generation.storage import traces
from gpu_worker import last_work, log_context
from gpu_worker.contract import Outcome, RenderReport
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from loremotion import queues
from loremotion.health import QUEUE_LATE_AFTER_SECONDS
from loremotion.queues import Table
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

QUEUE: Final = "signing"
MOST_IN_LINE: Final = 20
"""With so many before it a clip is delivered unsigned: its owner waits for a few signatures, not for a rush of them."""
LATE_IN_LINE: Final = 5
"""Clips that were delivered unsigned come into line while it is shorter than that, so they hold up none that is new."""
HELD_SECONDS: Final = 45.0
"""So long a finished clip may wait for its signature, from when it came into line: by the site's clock."""
_FAILURES_KEPT_SECONDS: Final = 3_600


def hand_over(report: RenderReport) -> bool:
    """Put the report into the line. Returns False where it is to be settled as it is: there is nothing to be signed,
    or nobody who would sign it soon. Handed over twice it is in line once, and keeps its place however long the line
    has become behind it."""
    if report.outcome != Outcome.SUCCEEDED or report.clip is None or not certificate.is_configured():
        return False
    job_id = traces.signing_id(report.generation_id, report.attempt)
    try:
        if not _is_worked_off():
            logger.warning("%s is not signed yet: nobody works off the queue", report.generation_id)
            return False
        if (job := _job(job_id)) is not None:
            return _may_wait(job)
        if _waiting() >= MOST_IN_LINE:
            logger.warning("%s is not signed yet: the queue is long", report.generation_id)
            return False
        _enqueue(SETTLE_SIGNED, report.to_wire(), job_id=job_id, unique=True)
    except DuplicateJobError:
        logger.debug("%s has come into line this moment", report.generation_id)
    except redis.RedisError as problem:
        logger.warning("%s is not signed yet: %s", report.generation_id, problem)
        return False
    return True


def report_in_line(generation: Generation) -> RenderReport | None:
    """The report of the latest attempt that was handed over and is not settled yet, also where its signature failed;
    None where there is none that is believed. A success counts from any attempt, so each is looked for."""
    attempts = ((str(generation.id), attempt) for attempt in range(generation.attempt, 0, -1))
    reports = (_report_of(*attempt) for attempt in attempts)
    return next((report for report in reports if report is not None), None)


def _report_of(generation_id: str, attempt: int) -> RenderReport | None:
    job = _job(traces.signing_id(generation_id, attempt))
    if job is None:
        return None
    try:
        report = read_report(*job.args)
    except (KeyError, TypeError, ValueError, DeserializationError) as problem:
        logger.warning("What %s says is refused: %r", job.id, problem)
        return None
    return report if (report.generation_id, report.attempt) == (generation_id, attempt) else None


def in_line() -> set[str]:
    """The ids of the clips that wait for their signature before they count as finished, or get it at this moment."""
    line = queues.queue(QUEUE)
    job_ids = [*line.get_job_ids(), *line.started_job_registry.get_job_ids(cleanup=False)]
    named = (traces.signed_attempt(job_id) for job_id in job_ids)
    return {generation_id for generation_id in named if generation_id}


def enqueue_due() -> None:
    """Put clips into line that were delivered unsigned and are to be tried now. A try that is lost is followed by the
    next: the row says when before the job is in line, and none is the last before it has been made."""
    if certificate.is_configured():
        for generation_id in signing.claim_due(limit=max(0, LATE_IN_LINE - _waiting())):
            _enqueue(SIGN_LATE, str(generation_id))


def settle_signed(report: dict[str, Any]) -> bool:
    """Sign the clip of a report that ``reports`` believed, and settle it; without a signature where it has none."""
    said = read_report(report)
    with log_context.bound(request_id=said.request_id, generation_id=said.generation_id):
        return settle.settle(said, signs=True)


def sign_late(generation_id: str) -> bool:
    """Sign a clip that was delivered unsigned. Returns whether it is signed by this call."""
    with log_context.bound(generation_id=generation_id):
        return signing.sign_late(generation_id)


def _is_worked_off() -> bool:
    age = last_work.ages_seconds(connection(), [QUEUE])[QUEUE]
    return age is not None and age < QUEUE_LATE_AFTER_SECONDS


def _job(job_id: str) -> AllowedJob | None:
    try:
        return queues.job(job_id)
    except NoSuchJobError:
        return None


def _may_wait(job: AllowedJob) -> bool:
    """Whether the clip may be signed soon. A job that failed stays for a while, as does one whose process is gone."""
    if job.get_status(refresh=False) not in (JobStatus.QUEUED, JobStatus.STARTED) or job.enqueued_at is None:
        return False
    waited: timedelta = datetime.now(UTC) - job.enqueued_at
    return abs(waited.total_seconds()) < HELD_SECONDS  # the hosts' clocks need not agree to the second


def _waiting() -> int:
    return queues.loads([QUEUE])[0].waiting


def _enqueue(function: str, argument: object, **options: Any) -> None:
    line = queues.queue(QUEUE)
    line.enqueue_call(function, args=(argument,), result_ttl=0, failure_ttl=_FAILURES_KEPT_SECONDS, **options)


SETTLE_SIGNED: Final = f"{__name__}.{settle_signed.__name__}"
SIGN_LATE: Final = f"{__name__}.{sign_late.__name__}"
JOBS: Table = {SETTLE_SIGNED: settle_signed, SIGN_LATE: sign_late}
"""All that the ``signing`` queue may name."""
