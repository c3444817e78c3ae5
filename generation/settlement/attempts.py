"""What RQ knows of an attempt: also of one whose worker is gone without a report."""

from __future__ import annotations

from django.utils import timezone
from rq.exceptions import NoSuchJobError

from generation.models import Generation
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from loremotion import queues


def job_of(generation: Generation) -> AllowedJob | None:
    """The job of the present attempt, unless RQ has forgotten it or its record cannot be read."""
    try:
        return queues.job(generation.job_id)
    except NoSuchJobError:
        return None


def seconds_taken(generation: Generation) -> float:
    """GPU seconds of the present attempt, from its start until its worker was last heard of, by the worker's own clock.

    Where RQ has forgotten it: from the start that was reported until now. Never more than an attempt may take.
    """
    job = job_of(generation)
    begun, heard_of = (job.started_at, job.last_heartbeat) if job else (generation.started_at, timezone.now())
    if begun is None or heard_of is None:
        return 0.0
    return min(max(0.0, (heard_of - begun).total_seconds()), generation.version.timeout_seconds)
