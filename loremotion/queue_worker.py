"""The worker behind each of the site's queues: RQ's, with the queue's table of functions, and lasting.

Stores go away and come back. A job that lost its database goes back into the queue and the worker waits; one that
cannot recover in place is replaced by a new process image, which whoever watches the process does not even see.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import Any, cast

import redis
from django.conf import settings
from django.db import Error, close_old_connections
from django.db import connection as database
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.worker import WorkerStatus

from gpu_worker.backoff import pauses_seconds
from gpu_worker.last_work import LastWork
from gpu_worker.rq_seams.allowed_jobs import AllowedJobWorker
from gpu_worker.valkey import Unreachable, connect
from loremotion import log_ids, queues
from loremotion.database import answers as database_answers
from loremotion.database import is_connection_lost

logger = logging.getLogger(__name__)

TTL_SECONDS = 30
RESULT_SECONDS = 24 * 3600
PATIENCE_SECONDS = 60.0
"""How long a worker waits for the database before it is replaced."""
LOSSES_IN_A_ROW = 5
"""So many jobs may lose their connection one after the other, although the database answers, before it is replaced."""
LONGEST_PAUSE_SECONDS = 2.0


class Unrecoverable(SystemExit):
    """This process will not serve its queue any more; a new one may."""


def work(name: str, *, burst: bool = False) -> None:
    """Work off a queue until asked to stop; with ``burst``, until it is empty. Otherwise this call does not return: a
    worker that ended without being asked, whatever the reason, is replaced.
    """
    worker: QueueWorker | None = None
    try:
        worker = QueueWorker(name)
        worker.work(burst=burst, logging_level="WARNING")
    except Unreachable as problem:
        logger.warning("Valkey cannot be reached: %s", problem)
    except Unrecoverable as problem:
        logger.error("The worker of %s cannot recover: %s", name, problem)
    if not burst and not (worker is not None and worker.is_asked_to_stop):
        replace_process()


def take_over(name: str) -> int:
    """Move what stands in line under the former name of a queue into its line. Returns how many jobs that is.

    Id by id, so that a crash loses none; those too that a worker of the last release popped and did not begin. One that
    it does begin at this moment may be done twice, which every job here bears.
    """
    former = settings.FORMER_QUEUES.get(name)
    if former is None:
        return 0
    line, moved = queues.queue(name).key, 0
    old = queues.queue(former)
    for source in (old.intermediate_queue.key, old.key):
        while old.connection.lmove(source, line, "LEFT", "RIGHT") is not None:
            moved += 1
    return moved


def replace_process() -> None:
    """Begin this process anew, under the same process id, with nothing of what it held."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    time.sleep(LONGEST_PAUSE_SECONDS)  # so that one that cannot start does not turn in circles
    logger.warning("Process %d begins anew", os.getpid())
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what this process was started with


class QueueWorker(AllowedJobWorker):
    """Works off one queue, job by job, and closes the database's connections around each as a request does."""

    max_connection_wait_time = LONGEST_PAUSE_SECONDS

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            queues.table(name),
            connect(settings.REDIS_URL),
            former=settings.FORMER_QUEUES.get(name),
            worker_ttl=TTL_SECONDS,
            default_result_ttl=RESULT_SECONDS,
        )
        self.is_asked_to_stop = False
        self._is_database_lost = False
        self._losses = 0
        self._last_work = LastWork(self.connection, name)

    def run_maintenance_tasks(self) -> None:
        """Take over the former queue, at the start and every ten minutes; then as any worker here."""
        try:
            take_over(self.queues[0].name)
        except redis.RedisError as problem:
            logger.warning("Taking over the queue of the last release waits for Valkey: %s", problem)
        super().run_maintenance_tasks()

    # Nobody sends these workers commands, and a thread that listens is one more that can die unseen.

    def subscribe(self) -> None: ...

    def unsubscribe(self) -> None: ...

    def handle_warm_shutdown_request(self) -> None:
        self.is_asked_to_stop = True
        super().handle_warm_shutdown_request()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that the worker lives; and between two jobs, when it could take one, that it works."""
        super().heartbeat(timeout, pipeline=pipeline)
        if self._last_work.is_due and self.get_state() == WorkerStatus.IDLE:
            if database_answers():
                self._last_work.note()
            close_old_connections()

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """Note the state in RQ's record of this worker; while Valkey is away, in this process alone."""
        try:
            super().set_state(state, pipeline=pipeline)
        except Unreachable as problem:
            logger.info("A state is not noted, Valkey cannot be reached: %s", problem)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job in line, waiting for one unless ``timeout`` is None. What is no id of a job drops."""
        while True:
            try:
                found: tuple[Job, Queue] | None = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
                return found
            except UnicodeDecodeError as problem:
                logger.warning("What stands in line for %s is no job: %s", self.queues[0].name, problem)
                self._drop_what_is_no_id()

    def _drop_what_is_no_id(self) -> None:
        popped = self.queues[0].intermediate_queue.key
        for job_id in cast(list[bytes], self.connection.lrange(popped, 0, -1)):
            if not job_id.isascii():
                self.connection.lrem(popped, 1, cast(str, job_id))

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job, with its id on every line of the log. Whatever its record does to RQ, the next one has its turn.

        Raises:
            Unrecoverable: the database stays away, or this process cannot keep a connection.
        """
        with log_ids.bound(job_id=str(job.id)):
            self._execute_job(job, queue)

    def _execute_job(self, job: Job, queue: Queue) -> None:
        self._is_database_lost = False
        close_old_connections()
        try:
            super().execute_job(job, queue)
        except Unreachable as problem:
            logger.warning("RQ's record of %s is incomplete, Valkey cannot be reached: %s", job.id, problem)
        except redis.RedisError:
            logger.exception("RQ's record of %s cannot be brought to its end", job.id)
        finally:
            close_old_connections()
        if self._is_database_lost:
            self._losses += 1
            self._wait_for_database()
        else:
            self._losses = 0

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        self._is_database_lost = is_connection_lost(exc_info[1])
        with log_ids.bound(**log_ids.of(exc_info[1])):
            if self._is_database_lost:
                logger.warning("%s waits for the database: %s", job.id, exc_info[1])
            else:
                super().handle_exception(job, *exc_info)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Put a job that lost its database back into the queue, which every job here bears; let RQ end any other."""
        if not self._is_database_lost:
            super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)
            return
        queue.enqueue_job(job)  # first: who dies between the two has left it in the queue
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()

    def _wait_for_database(self) -> None:
        if self._losses >= LOSSES_IN_A_ROW:
            raise Unrecoverable(f"{self._losses} jobs lost their connection one after the other")
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause_seconds in pauses_seconds():
            if self._stop_requested:
                return
            try:
                database.ensure_connection()
                return
            except Error as problem:
                if time.monotonic() > deadline:
                    raise Unrecoverable(f"the database stays away: {problem}") from problem
            finally:
                close_old_connections()
            time.sleep(pause_seconds)
