"""What stands in the line of clips that wait to be signed, and what works it off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import redis
import time_machine
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from generation.models import Clip, Generation
from generation.settlement import signing_queue
from generation.storage import traces
from gpu_worker.contract import RenderReport
from loremotion import queues


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


def in_its_line(generation: Generation, valkey: redis.Redis, *, attempt: int = 0) -> Job:
    """RQ's record of the report, of the present attempt unless said, that waits to be signed."""
    job_id = traces.signing_id(str(generation.id), attempt or generation.attempt)
    return Job.fetch(job_id, connection=valkey, serializer=JSONSerializer)


def in_a_while(seconds: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=False)


def never(*_: Any) -> Any:
    raise AssertionError("nothing is signed here")
