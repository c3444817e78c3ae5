"""What a dead worker leaves in RQ's records, and clearing it away, so that RQ does not act on it a second time."""

from __future__ import annotations

import logging
from typing import cast

import redis
from rq.exceptions import NoSuchJobError
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE, Execution
from rq.job import JobStatus
from rq.job_lifecycle import record_job_failure
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from gpu_worker.rq_seams.render_queue import secret_in
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import RENDER_QUEUE, holding_key, rq_worker

logger = logging.getLogger(__name__)


def fail(connection: redis.Redis, job_id: str, reason: str, queue: str = RENDER_QUEUE) -> None:
    """Record in RQ that the job failed, unless it ended before its worker did. Nobody will run this attempt again."""
    Queue(queue, connection=connection, serializer=JSONSerializer).intermediate_queue.remove(job_id)
    try:
        job = AllowedJob.fetch(job_id, connection=connection, serializer=JSONSerializer)
    except NoSuchJobError as problem:
        logger.info("Nothing to end in RQ's records: %s", problem)
        return
    if job.get_status() in (JobStatus.QUEUED, JobStatus.STARTED):
        with connection.pipeline() as pipeline:
            record_job_failure(job, f"The worker was lost: {reason}", pipeline)
            pipeline.execute()


def held_jobs(connection: redis.Redis, name: str) -> set[str]:
    """Return RQ's ids of what a dead worker had in its hands: what it popped last, and all that it had begun.

    Any host may write there; what cannot be read counts as nothing.
    """
    found = [composite_key.rpartition(b":")[0] for composite_key in _running(connection, _executions_key(name))]
    popped = cast(bytes | None, connection.get(holding_key(name)))
    job_ids = set()
    for raw in [*found, popped]:
        try:
            job_ids |= {raw.decode()} if raw else set()
        except UnicodeDecodeError:
            logger.warning("What the worker %s held cannot be read, and counts as nothing: %.100r", name, raw)
    return job_ids


def secret_of(connection: redis.Redis, job_id: str) -> str:
    """Return the secret of the attempt that a dead worker held; empty where RQ has no record of it."""
    try:
        return secret_in(AllowedJob.fetch(job_id, connection=connection, serializer=JSONSerializer).data)
    except NoSuchJobError:
        return ""


def clear(connection: redis.Redis, name: str, queue: str = RENDER_QUEUE) -> None:
    """Remove a dead worker's registration, its running executions and its hold on a job."""
    rq_name = rq_worker(name)
    executions_key = _executions_key(name)
    own_key = BaseWorker.redis_worker_namespace_prefix + rq_name
    running = _running(connection, executions_key)
    with connection.pipeline() as pipeline:
        for composite_key in running:
            try:
                execution = Execution.from_composite_key(composite_key.decode(), connection=connection)
                job = AllowedJob(execution.job_id, connection=connection, serializer=JSONSerializer)
            except ValueError:  # written by another host; it goes together with its list
                continue
            execution.worker_name = rq_name
            job.origin = queue
            execution.delete(job, pipeline)
        pipeline.srem(WORKERS_BY_QUEUE_KEY % queue, own_key)
        for key in (own_key, executions_key, holding_key(name)):  # one by one, since a GPU host has a right to each
            pipeline.delete(key)
        for problem in pipeline.execute(raise_on_error=False):
            if isinstance(problem, Unreachable):
                raise problem
            if isinstance(problem, Exception):  # another host wrote something else there
                logger.warning("Something that %s left cannot be cleared away: %s", name, problem)


def _executions_key(name: str) -> str:
    return str(WORKER_EXECUTIONS_KEY_TEMPLATE.format(rq_worker(name)))


def _running(connection: redis.Redis, executions_key: str) -> set[bytes]:
    try:
        return cast(set[bytes], connection.smembers(executions_key))
    except redis.ResponseError as problem:
        logger.warning("%s is no list of executions: %s", executions_key, problem)
        return set()
