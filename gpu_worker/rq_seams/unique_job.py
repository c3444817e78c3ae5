"""Putting a job into a queue of the website's, once, by one script and nothing else.

RQ's own way also asks which server this is and notes the queue in a list of all queues: two more round trips, and two
more rights for whoever may do nothing but report.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import redis
from rq.exceptions import DuplicateJobError
from rq.job import JobStatus
from rq.queue import Queue
from rq.scripts import save_unique_job
from rq.serializers import JSONSerializer

from gpu_worker.rq_seams.scripts import needing_scripts

TIMEOUT_SECONDS = 180


def enqueue_once(
    connection: redis.Redis, queue: str, job_id: str, function: str, args: tuple[Any, ...], *, kept_seconds: int
) -> bool:
    """Put a call in line, whose record is kept for so long after its end. False where the id has been used already."""
    line = Queue(queue, connection=connection, serializer=JSONSerializer)
    job = line.create_job(
        function,
        args=args,
        job_id=job_id,
        status=JobStatus.QUEUED,
        timeout=TIMEOUT_SECONDS,
        result_ttl=kept_seconds,
        failure_ttl=kept_seconds,
    )
    job.origin = queue
    job.enqueued_at = datetime.now(UTC)
    try:
        with needing_scripts():
            save_unique_job(connection, line.key, job)
    except DuplicateJobError:
        return False
    return True
