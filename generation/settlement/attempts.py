"""What RQ knows of an attempt: also of one whose worker is gone without a report."""

from __future__ import annotations

from django.utils import timezone
from rq.exceptions import NoSuchJobError

from generation.models import Generation
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from gpu_worker.valkey_names import former_job_id
from loremotion import queues


def job_of(generation: Generation) -> AllowedJob | None:
    """RQ's job of the present attempt; None where RQ has forgotten it or its record cannot be read.

    Where the last release enqueued it, it is found under the id that it had there; the next release drops this.
    """
    for job_id in (generation.job_id, former_job_id(str(generation.id), generation.attempt)):
        try:
            return queues.job(job_id)
        except NoSuchJobError:
            continue
    return None


def seconds_taken(generation: Generation) -> float:
    """GPU seconds of the present attempt, from its start until its worker was last heard of, by the worker's own clock.

    Where RQ has forgotten it: from the start that was reported until now. Never more than an attempt may take. Of
    several cards that its worker has, those of each.
    """
    job = job_of(generation)
    begun, heard_of = (job.started_at, job.last_heartbeat) if job else (generation.started_at, timezone.now())
    if begun is None or heard_of is None:
        return 0.0
    return generation.cards * min(max(0.0, (heard_of - begun).total_seconds()), generation.version.timeout_seconds)
