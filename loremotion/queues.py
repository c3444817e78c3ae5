"""The site's RQ queues: jobs are dotted names with JSON arguments, of the few functions in each queue's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import django_rq
from django.conf import settings
from django.utils.module_loading import import_string
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker.rq_seams.allowed_jobs import AllowedJob, Table
from loremotion.valkey import connection

__all__ = ["AllowedJob", "Table", "job", "loads", "queue", "table"]


@dataclass(frozen=True, slots=True)
class Load:
    """What a queue holds at this moment."""

    name: str
    waiting: int
    running: int
    failed: int
    """Of those whose records are still kept."""


def queue(name: str) -> Queue:
    """The queue to enqueue into and to look at. What is read from it cannot be called."""
    return django_rq.get_queue(name, connection=connection())


def job(job_id: str) -> AllowedJob:
    """RQ's record of a job.

    Raises:
        NoSuchJobError: there is none, or none that can be read.
    """
    return AllowedJob.fetch(job_id, connection=connection(), serializer=JSONSerializer)


def table(name: str) -> Table:
    """What the jobs of a queue may name, from beside the functions: ``settings.QUEUE_JOBS`` says where.

    Raises:
        KeyError: the site does not work off this queue.
    """
    jobs: Table = import_string(settings.QUEUE_JOBS[name])
    return jobs


def loads(names: Sequence[str]) -> list[Load]:
    """How much each queue holds, in one round trip and without reading a record."""
    with connection().pipeline(transaction=False) as pipeline:
        for name in names:
            every = queue(name)
            pipeline.llen(every.key)
            pipeline.zcard(every.started_job_registry.key)
            pipeline.zcard(every.failed_job_registry.key)
        counts = pipeline.execute()
    return [Load(name, *counts[3 * place : 3 * place + 3]) for place, name in enumerate(names)]
