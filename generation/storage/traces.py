"""What Valkey still holds of requests that are deleted: their words in jobs and results, their previews in streams."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import redis
from rq.results import Result

from generation.attempt_secret import secrets_of
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
    _unlink(key for generation in generations for key in _keys(str(generation.id), generation.attempt))


def forget_late(generation_id: str, attempt: int) -> None:
    """Delete what a worker has left since of a request that is deleted or erased, up to this attempt of it."""
    _unlink(_keys(generation_id, attempt))


def _unlink(names: Iterable[str]) -> None:
    keys = list(names)
    try:
        for first in range(0, len(keys), KEYS_AT_ONCE):
            connection().unlink(*keys[first : first + KEYS_AT_ONCE])
    except redis.RedisError as problem:
        logger.warning("What Valkey holds of deleted requests is left to expire: %s", problem)


def _keys(name: str, attempts: int) -> Iterable[str]:
    yield from (contract.progress_key(name), contract.cancel_key(name))
    for attempt in range(1, attempts + 1):
        for job_id in _job_ids(name, attempt):
            yield from (AllowedJob.key_for(job_id), Result.get_key(job_id))


def _job_ids(generation_id: str, attempt: int) -> Iterable[str]:
    former = contract.former_job_id(generation_id, attempt)  # the next release drops what is made of it
    yield from (contract.job_id(generation_id, attempt), former)
    for kind in contract.REPORT_KINDS:
        yield f"{kind}-{former}"
        for secret in ("", *secrets_of(generation_id, attempt)):
            yield contract.report_id(kind, generation_id, attempt, secret)
