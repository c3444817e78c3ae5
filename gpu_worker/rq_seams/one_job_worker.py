"""RQ's worker for one job at a time on the main thread of one process that cannot be spared.

What RQ leaves out is added here: a pop of one's own, an honest lifetime in Valkey (seconds, not the job's timeout and a
minute more), a stop command that stops, commands of one's own, and no alarm. And the end of a job: RQ has it where the
job's function returns; a function that returns another one goes on in that, beside the next job. ``GpuWorker`` is what
stands behind the hooks; nothing there knows how RQ calls them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import redis
from rq.command import parse_payload
from rq.exceptions import NoSuchJobError, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.timeouts import BaseDeathPenalty
from rq.worker_registration import WORKERS_BY_QUEUE_KEY, register

from gpu_worker.contract import RenderJob
from gpu_worker.rq_seams.allowed_jobs import AllowedJob, AllowedJobWorker, Table
from gpu_worker.rq_seams.render_queue import read
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import RENDER_QUEUE, WORKER_DEAD_AFTER_SECONDS, rq_worker

logger = logging.getLogger(__name__)

STOP_JOB = "stop-job"
"""RQ's command, as ``rq.command.send_stop_job_command`` sends it."""
SHUTDOWN = "shutdown"
"""RQ's command, as ``rq.command.send_shutdown_command`` sends it."""


class NoAlarm(BaseDeathPenalty):  # type: ignore[misc]  # mypy does not follow rq here
    """What RQ puts around a job instead of SIGALRM: nothing, since the job asks its own ``Deadline``."""

    def setup_death_penalty(self) -> None:
        pass

    def cancel_death_penalty(self) -> None:
        pass


class OneJobWorker(AllowedJobWorker, ABC):
    """RQ's worker, which calls the hooks below on its main thread unless they say otherwise."""

    death_penalty_class = NoAlarm
    workers_prefix = AllowedJobWorker.redis_worker_namespace_prefix + rq_worker("")
    redis_workers_keys = WORKERS_BY_QUEUE_KEY % RENDER_QUEUE
    """RQ's list of the workers of all queues holds the website's, which are no concern of a GPU host's. A worker of
    another queue has that one's."""

    def __init__(
        self, queue: str, allowed: Table, connection: redis.Redis, *, name: str, result_kept_seconds: int
    ) -> None:
        super().__init__(
            queue,
            allowed,
            connection,
            name=name,
            worker_ttl=WORKER_DEAD_AFTER_SECONDS,
            default_result_ttl=result_kept_seconds,
        )
        self.redis_workers_keys = WORKERS_BY_QUEUE_KEY % queue
        self._running: dict[str, tuple[Job, Execution]] = {}
        self._rest: Callable[[], Any] | None = None
        self._stopped: set[str] = set()
        self._is_waiting = False
        self.stop_signal: int | None = None
        """The first that asked it to stop."""
        self.is_sent_away = False
        """Whether the fleet asked. RQ then sends its own process SIGINT, as anybody on the host can."""

    # --- hooks ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def on_started(self) -> None:
        """Called when RQ knows the worker, which now looks for jobs."""

    @abstractmethod
    def on_ended(self) -> None:
        """Called when the worker looks for no more jobs; RQ still knows it."""

    @abstractmethod
    def on_asked_to_stop(self, signum: int) -> None:
        """Called when no other job is to be taken: in the handler of this signal, as often as one comes."""

    @abstractmethod
    def next_job(self, *, is_patient: bool) -> AllowedJob | None:
        """Take the next job and return it; waits for one if ``is_patient``, unless asked to stop."""

    @abstractmethod
    def run_job(self, job: AllowedJob, message: RenderJob | None) -> None:
        """Bring the job in hand to its end. Without a message it is none of ours, or cannot be read."""

    @abstractmethod
    def on_job_left(self) -> None:
        """Called when ``run_job`` has returned, or lost Valkey on the way."""

    @abstractmethod
    def on_command(self, command: dict[str, Any]) -> bool:
        """Handle a command on the thread that listens. Returns False where it is RQ's own."""

    # --- for the hooks -------------------------------------------------------------------------------------------

    @property
    def is_asked_to_stop(self) -> bool:
        return bool(self._stop_requested)

    def is_stopped(self, job_id: str) -> bool:
        """Whether RQ's stop command meant this job, and none before or after it."""
        return job_id in self._stopped

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """Nothing is in hand meanwhile: who asks the worker to stop ends the wait at once."""
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False

    def maintain(self) -> None:
        """Clear away in RQ's records what ended or was abandoned, when it is time again."""
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()

    def fetch(self, job_id: str) -> AllowedJob | None:
        """RQ's record of a job that was taken; None where there is none that can be read, and then it has dropped."""
        try:
            job: AllowedJob = self.job_class.fetch(job_id, connection=self.connection, serializer=self.serializer)
            return job
        except NoSuchJobError as problem:
            logger.warning("%s is dropped: %s", job_id, problem)
            self.queues[0].intermediate_queue.remove(job_id)
            return None

    def perform(self, job: AllowedJob, *, on_begun: Callable[[], None]) -> Callable[[], None] | None:
        """Call the job's function and record in RQ how it began and ended.

        Returns what is left of it, to be called once and on any thread, where the function returned a function: what
        that one returns is the job's result, and until then RQ has it among the running.
        """
        execution = self.prepare_execution(job)
        self._running[job.id] = (job, execution)
        self._rest = None
        try:
            on_begun()
            self.perform_job(job, self.queues[0], execution)
        finally:
            if self._rest is None:
                self._forget(job)
        rest, self._rest = self._rest, None  # an idle worker keeps nothing of the last clip
        return None if rest is None else lambda: self._end(job, execution, rest)

    def _end(self, job: AllowedJob, execution: Execution, rest: Callable[[], Any]) -> None:
        """What RQ does once a job's function has returned or raised."""
        try:
            super()._finalize_success(job, self.queues[0], execution, rest())
        except BaseException:  # as RQ does
            super()._finalize_failure(job, self.queues[0], execution, sys.exc_info())
        finally:
            self._forget(job)

    def _forget(self, job: AllowedJob) -> None:
        self._running.pop(job.id, None)
        self._stopped.discard(job.id)

    def fail(self, job: AllowedJob, reason: str) -> None:
        """Record in RQ that a job failed which was never performed."""
        self.handle_job_failure(job, self.queues[0], exc_string=reason)
        self.queues[0].intermediate_queue.remove(job.id)

    def keep_registered(self) -> None:
        """From any thread: be known to RQ, also on a server that came back empty."""
        with self.connection.pipeline() as pipeline:
            register(self, pipeline)
            pipeline.hset(self.key, mapping=self.serialize())
            self.heartbeat(pipeline=pipeline)
            pipeline.execute()

    def keep_running(self) -> None:
        """From any thread: let RQ know that what is in hand is being performed."""
        for job, execution in list(self._running.values()):
            self.maintain_heartbeats(job, execution)

    # --- what RQ calls -------------------------------------------------------------------------------------------

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        super().bootstrap(*args, **kwargs)
        self.on_started()

    def teardown(self) -> None:
        self.on_ended()
        super().teardown()

    def run_maintenance_tasks(self) -> None:
        """Clear away, but nothing that is in hand here: after seconds without Valkey it may look abandoned."""
        try:
            self.keep_running()
        except Unreachable as problem:
            logger.warning("Clearing away waits for Valkey: %s", problem)
        else:
            super().run_maintenance_tasks()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM, SIGINT and RQ's shutdown command: finish the job in hand, take no other, leave."""
        self._stop_requested = True
        self.stop_signal = self.stop_signal or signum
        self.on_asked_to_stop(signum)
        if self._is_waiting:  # nothing is in hand: an idle worker leaves at once
            raise StopRequested

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        job = self.next_job(is_patient=timeout is not None)
        return None if job is None else (job, self.queues[0])

    def execute_job(self, job: AllowedJob, queue: Queue) -> None:
        """Run the job in hand to its end, in this process."""
        try:
            self.run_job(job, None if job.extras else read(job.data))
            self.set_state("idle")
        except Unreachable as problem:
            logger.warning("RQ's record of %s is incomplete, Valkey cannot be reached: %s", job.id, problem)
        self.on_job_left()

    def _finalize_success(self, job: Job, queue: Queue, execution: Execution, return_value: Any) -> None:
        """Record that a job ended well, unless some of it is left."""
        if callable(return_value):
            self._rest = return_value
        else:
            super()._finalize_success(job, queue, execution, return_value)

    def handle_payload(self, message: dict[str, Any]) -> None:
        """From the thread that listens: our commands go to the hook, the rest is RQ's."""
        try:
            command = parse_payload(message)
            if command["command"] == STOP_JOB:  # RQ's own looks at one of several that run, whichever began first
                self._stopped |= {command["job_id"]} & self._running.keys()
            elif not self.on_command(command):
                self.is_sent_away |= command["command"] == SHUTDOWN
                super().handle_payload(message)
        except (ValueError, AttributeError, KeyError) as problem:
            logger.warning("A command that cannot be read is ignored: %s", problem)

    def request_stop_execution(self, execution_id: str) -> None:
        """From the thread that listens: RQ's command for one of the executions of a job; ours have one each."""
        execution = self.executions.get(execution_id)
        if execution is not None:
            self._stopped.add(execution.job_id)

    def unsubscribe(self) -> None:
        """RQ tells the thread to end after the last message that could wake it, and then waits for it in vain."""
        if self.pubsub_thread is not None and self.pubsub is not None:
            self.pubsub_thread.stop()
            self.pubsub.unsubscribe()
            self.pubsub_thread.join(timeout=1)

    def _pubsub_exception_handler(self, exc: Exception, pubsub: Any, pubsub_thread: Any) -> None:
        """RQ's own gives up listening on a timeout. Of what is missed meanwhile the keys in Valkey tell."""
        logger.warning("Commands are not heard for the moment: %s", exc)
        time.sleep(1.0)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's own sign of life, with a lifetime of seconds whatever RQ asks for: a dead worker is soon seen."""
        super().heartbeat(WORKER_DEAD_AFTER_SECONDS, pipeline=pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return WORKER_DEAD_AFTER_SECONDS
