"""What Valkey still holds of requests that are deleted: their words in jobs and results, their previews in streams."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import cast

import redis
from rq.results import Result

from generation.attempt_secret import secrets_of
from generation.models import Generation
from gpu_worker import valkey_names
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

KEYS_AT_ONCE = 1_000
SWEPT_AT_ONCE = 200
_SIGNING = "signing-"
AGAIN_KEY = "traces:again"
"""What is to be deleted once more: a request and its attempts, by when."""


def forget(generations: Iterable[Generation]) -> None:
    """Delete the jobs, reports and results of every attempt, and the stream. What Valkey does not hear, because it is
    away, expires there within hours.
    """
    _forget({str(generation.id): generation.attempt for generation in generations}, again_after_seconds=3600)


def forget_late(generation_id: str, attempt: int) -> None:
    """Delete what a worker has left since of a request that is deleted or erased, up to this attempt of it. RQ writes
    its record of a job after the report of it, so that comes back for a moment."""
    _forget({generation_id: attempt}, again_after_seconds=60)


def sweep() -> None:
    """Delete once more what was deleted a while ago and may have been written since.

    Raises:
        RedisError: Valkey is away.
    """
    due = cast(list[bytes], connection().zrangebyscore(AGAIN_KEY, 0, time.time(), start=0, num=SWEPT_AT_ONCE))
    if not due:
        return
    for generation_id, _, attempt in (member.decode().partition(" ") for member in due):
        connection().unlink(*_keys(generation_id, int(attempt)))
    connection().zrem(AGAIN_KEY, *due)


def _forget(attempts: Mapping[str, int], *, again_after_seconds: float) -> None:
    keys = [key for generation_id, attempt in attempts.items() for key in _keys(generation_id, attempt)]
    again_at = time.time() + again_after_seconds
    try:
        for first in range(0, len(keys), KEYS_AT_ONCE):
            connection().unlink(*keys[first : first + KEYS_AT_ONCE])
        if attempts:
            again = {f"{generation_id} {attempt}": again_at for generation_id, attempt in attempts.items()}
            connection().zadd(AGAIN_KEY, again)
    except redis.RedisError as problem:
        logger.warning("What Valkey holds of deleted requests is left to expire: %s", problem)


def _keys(name: str, attempts: int) -> Iterable[str]:
    yield from (valkey_names.progress_key(name), valkey_names.cancel_key(name))
    for attempt in range(1, attempts + 1):
        for job_id in _job_ids_of_attempt(name, attempt):
            yield from (AllowedJob.key_for(job_id), Result.get_key(job_id))


def job_ids(generation_id: str, attempts: int) -> Iterable[str]:
    """Yield the ids of every job that a request may have in RQ: its renders, their reports and signatures."""
    for attempt in range(1, attempts + 1):
        yield from _job_ids_of_attempt(generation_id, attempt)


def signing_id(generation_id: str, attempt: int) -> str:
    """RQ's id of a report that waits for its clip's signature. Handed over twice, it is one job."""
    return f"{_SIGNING}{generation_id}-{attempt}"


def signed_attempt(job_id: str) -> str:
    """The id of the request in such an id; empty where it is another job's."""
    return job_id.removeprefix(_SIGNING).rpartition("-")[0] if job_id.startswith(_SIGNING) else ""


def _job_ids_of_attempt(generation_id: str, attempt: int) -> Iterable[str]:
    former = valkey_names.former_job_id(generation_id, attempt)  # the next release drops what is made of it
    yield from (valkey_names.job_id(generation_id, attempt), former, signing_id(generation_id, attempt))
    for kind in valkey_names.REPORT_KINDS:
        yield f"{kind}-{former}"
        for secret in ("", *secrets_of(generation_id, attempt)):
            yield valkey_names.report_id(kind, generation_id, attempt, secret)
