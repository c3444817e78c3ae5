"""What RQ knows of an attempt: also of one whose worker is gone without a report."""

from __future__ import annotations

from django.utils import timezone
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from generation.models import Generation
from loremotion.valkey import connection


def job_of(generation: Generation) -> Job | None:
    """The job of the present attempt, unless RQ has forgotten it."""
    try:
        return Job.fetch(generation.job_id, connection=connection(), serializer=JSONSerializer)
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
