"""What Valkey still holds of requests that are deleted: their words in jobs and results, their previews in streams."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import redis
from rq.results import Result

from generation.models import Generation
from gpu_worker import contract
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

KEYS_AT_ONCE = 1_000


def forget(generations: Iterable[Generation]) -> None:
    """Delete the jobs, reports and results of every attempt, and the stream. What Valkey does not hear, because it is
    away, expires there within hours.
    """
    keys = [key for generation in generations for key in _keys(generation)]
    try:
        for first in range(0, len(keys), KEYS_AT_ONCE):
            connection().unlink(*keys[first : first + KEYS_AT_ONCE])
    except redis.RedisError as problem:
        logger.warning("What Valkey holds of deleted requests is left to expire: %s", problem)


def _keys(generation: Generation) -> Iterable[str]:
    name = str(generation.id)
    yield from (contract.progress_key(name), contract.cancel_key(name))
    for attempt in range(1, generation.attempt + 1):
        job = contract.job_id(name, attempt)
        for job_id in (job, *(contract.report_id(kind, job) for kind in contract.REPORT_KINDS)):
            yield from (AllowedJob.key_for(job_id), Result.get_key(job_id))
