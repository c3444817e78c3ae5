"""From the fair queue into RQ: a short window of jobs, enqueued after the commit that decided on them."""

from __future__ import annotations

import logging

import redis
from django import db
from django.db import transaction
from django.utils import timezone
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import JobStatus

from generation.models import Generation, State
from generation.scheduling import fair_queue, fleet, storage_pause
from generation.scheduling.window import Window
from generation.storage import files
from gpu_worker import log_context
from gpu_worker.contract import RENDER_FUNCTION, RENDER_QUEUE, former_job_id
from gpu_worker.rq_seams import scripts
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from loremotion import queues
from loremotion.row_security import across_workspaces
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

RESULT_TTL_SECONDS = 6 * 3600
"""The beat reads a lost report from it within seconds. It holds people's words, so no longer than a night's outage."""

_WAITING = {status.value.encode() for status in (JobStatus.QUEUED, JobStatus.DEFERRED, JobStatus.SCHEDULED)}
"""Ours wait in line and for nothing else, but a GPU host can write of any that it does."""


def render_queue() -> Queue:
    return queues.queue(RENDER_QUEUE)


@across_workspaces("the queue is everybody's")
def fill_window() -> None:
    """Dispatch what there is room for. Safe to call at any time, by anybody, any number of times.

    With Valkey away nothing is lost: what was decided stays in the database and housekeeping enqueues it later.
    """
    try:
        for generation in _take():
            enqueue(generation)
    except redis.RedisError as error:
        logger.warning("Valkey is away, dispatch waits for housekeeping: %s", error)


def _take() -> list[Generation]:
    budgets = fleet.budgets()
    if _window(budgets).is_full or not Generation.objects.filter(state=State.QUEUED).exists():
        return []
    with transaction.atomic():
        clock = fair_queue.lock_clock()
        most = storage_pause.most_to_dispatch()
        chosen = [] if most == 0 else fair_queue.take(clock, _window(budgets), most=most)
        now = timezone.now()
        for generation in chosen:
            generation.state = State.DISPATCHED
            generation.attempt += 1
            generation.has_attempt_secret = True
            generation.dispatched_at = now
            generation.flow = ""
        Generation.objects.bulk_update(chosen, ["state", "attempt", "has_attempt_secret", "dispatched_at", "flow"])
    return chosen


def _window(budgets: list[int]) -> Window:
    with db.connection.cursor() as cursor:
        cursor.execute("SELECT needs_bytes FROM generation_generation WHERE state = 'dispatched'")
        return Window(budgets, [needs_bytes for (needs_bytes,) in cursor.fetchall()])


def has_lost_its_place(job: AllowedJob) -> bool:
    """Whether RQ has the job for waiting, and it is neither in line nor in the hands of a worker that popped it.

    One transaction in Valkey, since the job may be on its way from one to the next.
    """
    line = render_queue()
    with connection().pipeline() as pipeline:
        pipeline.hget(job.key, "status")
        pipeline.lpos(line.key, job.id)
        pipeline.lpos(line.intermediate_queue_key, job.id)
        status, *places = pipeline.execute()
    return status in _WAITING and places == [None, None]


def enqueue_anew(generation: Generation) -> None:
    """Put the present attempt into RQ in place of a record that cannot be read or stands nowhere in line."""
    former = former_job_id(str(generation.id), generation.attempt)
    connection().delete(AllowedJob.key_for(generation.job_id), AllowedJob.key_for(former))
    enqueue(generation)


def enqueue(generation: Generation) -> None:
    """Put the present attempt into RQ. The job's id names the attempt, so a second call changes nothing."""
    with log_context.bound(request_id=generation.request_id, generation_id=str(generation.id)):
        _enqueue(generation)


def _enqueue(generation: Generation) -> None:
    job = generation.render_job(inputs=files.inputs(generation), outputs=files.outputs(generation))
    scripts.load(connection())  # whoever takes it needs them, also where no beat runs
    try:
        render_queue().enqueue_call(
            RENDER_FUNCTION,
            args=(job.to_wire(),),
            timeout=job.timeout_seconds,
            result_ttl=RESULT_TTL_SECONDS,
            failure_ttl=RESULT_TTL_SECONDS,
            job_id=job.job_id,
            unique=True,
        )
        logger.info("Attempt %d is in line", generation.attempt)
    except DuplicateJobError:
        logger.debug("%s is in RQ already", job.job_id)
