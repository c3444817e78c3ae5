"""The worker process: RQ's worker, made fit for one GPU.

One process holds the card and runs one job at a time on its main thread, so nothing needs a lock. What RQ leaves out
is added here: a pop that looks at what is resident, heartbeats while a job runs, an honest lifetime in Valkey (seconds,
not the job's timeout and a minute more), a stop command that stops, and commands to the fleet.
"""

from __future__ import annotations

import logging
import os
import time
from types import FrameType
from typing import Any

import redis
from rq.command import parse_payload
from rq.exceptions import NoSuchJobError, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.worker_registration import register

from gpu_worker import addresses, fleet, render_job
from gpu_worker.allowed_jobs import AllowedJobWorker
from gpu_worker.backoff import pauses_seconds
from gpu_worker.between_jobs import BetweenJobs
from gpu_worker.contract import (
    RENDER_QUEUE,
    WORKER_DEAD_AFTER_SECONDS,
    Outcome,
    Progress,
    RenderError,
    RenderJob,
    RenderReport,
    Stage,
    attempt_of,
    cancel_key,
)
from gpu_worker.deadline import NoAlarm
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.inputs import Fetcher
from gpu_worker.job_choice import JobPicker
from gpu_worker.last_work import GPU, LastWork
from gpu_worker.lifeline import Lifeline
from gpu_worker.progress import ProgressStream
from gpu_worker.queue import Bounds, RenderQueue, read
from gpu_worker.render_engine import RenderEngine
from gpu_worker.reports import KEPT_SECONDS, Reports
from gpu_worker.settings import Settings
from gpu_worker.status import StatusReporter, first_status
from gpu_worker.upload import Uploader
from gpu_worker.valkey import Unreachable, connect
from gpu_worker.warm_models import WarmModels

logger = logging.getLogger(__name__)

EXIT_DEVICE_LOST = os.EX_UNAVAILABLE
EXIT_UNFINISHED = os.EX_TEMPFAIL
"""A job is still in this worker's hands; the supervisor hands it back."""

IDLE_SECONDS = 1.0
"""How long an idle worker blocks before it looks for commands. A new job wakes it at once."""
PATIENCE_BETWEEN_JOBS_SECONDS = 600.0
"""Long, since the engine may read a whole new checkpoint to tell whether it fits."""
UNFIT_SECONDS = 0.25
"""Pause while every waiting job is for other cards: the list is not empty, so it cannot be waited on."""


class GpuWorker(AllowedJobWorker):
    """RQ's worker around one engine. ``work()`` runs until it is asked to stop.

    A process that leaves with a job in its hands says so by ``EXIT_UNFINISHED``; its last word on the lifeline and
    ``holding_key`` name the job.
    """

    death_penalty_class = NoAlarm

    def __init__(self, settings: Settings, engine: RenderEngine, lifeline: Lifeline, connection: redis.Redis) -> None:
        super().__init__(
            RENDER_QUEUE,
            render_job.JOBS,
            connection,
            name=settings.name,
            worker_ttl=WORKER_DEAD_AFTER_SECONDS,
            default_result_ttl=KEPT_SECONDS,
        )
        self.engine = engine
        self.lifeline = lifeline
        bounds = Bounds(settings.window, settings.max_skips, settings.max_wait_seconds, settings.affinity_fraction)
        self.line = RenderQueue(connection, settings.name, bounds)
        self.picker = JobPicker(self.line, engine)
        self.heart = Heartbeat(connection, first_status(settings.name, engine), also=self._keep_registered)
        self.reporter = StatusReporter(self.heart, engine)
        self.reports = Reports(connection, settings.name, while_waiting=lifeline.repeat)
        self._warm_models = WarmModels(settings.cache / f"warm-models-{settings.name}.json")
        self.between_jobs = BetweenJobs(connection, settings.name, engine, self.reporter, self._warm_models)
        self._preview_seconds = settings.preview_seconds
        # Of its own, with short waits: what a browser sees must not hold up a render.
        self._progress_connection = connect(settings.redis_url, answer_seconds=2.0)
        self._last_work = LastWork(self._progress_connection, GPU)
        self._stream: ProgressStream | None = None
        self._running: tuple[Job, Execution, RenderJob] | None = None
        self._cancelled_job_id = ""
        self._is_waiting = False
        self._is_reported = False
        self._is_device_lost = False
        render_job.serve(self._renderer(settings))

    def _renderer(self, settings: Settings) -> render_job.Renderer:
        client = addresses.client()
        return render_job.Renderer(
            engine=self.engine,
            worker=settings.name,
            scratch=settings.scratch,
            fetcher=Fetcher(client, settings.transfer_attempts, settings.input_bytes),
            uploader=Uploader(client, settings.transfer_attempts),
            reports=self.reports,
            lifeline=self.lifeline,
            stall_seconds=settings.stall_seconds,
            is_cancelled=self._is_cancelled,
            on_progress=self._on_progress,
            on_report=self._on_report,
        )

    # --- the loop ------------------------------------------------------------------------------------------------

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        super().bootstrap(*args, **kwargs)
        self.heart.start()

    def teardown(self) -> None:
        self.heart.stop()
        super().teardown()

    @property
    def is_asked_to_stop(self) -> bool:
        return bool(self._stop_requested)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM, SIGINT and RQ's shutdown command: finish the job in hand, take no other, leave."""
        self._stop_requested = True
        self.reporter.leaving()
        if self._is_waiting:  # nothing is in hand: an idle worker leaves at once
            raise StopRequested

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job for this card, waiting for one unless ``timeout`` is None; None when asked to stop.

        Outlives a server that is away or comes back empty.
        """
        pauses = pauses_seconds()
        while not self.is_asked_to_stop:
            self.reporter.idle()
            self.lifeline.say(None, PATIENCE_BETWEEN_JOBS_SECONDS)
            try:
                job = self._next(is_patient=timeout is not None)
            except Unreachable as problem:
                pause = next(pauses)
                logger.warning("Valkey cannot be reached, trying again in %.1f s: %s", pause, problem)
                self._pause(pause)
                continue
            pauses = pauses_seconds()
            self._last_work.note()
            if job is not None:
                return job, self.queues[0]
            if timeout is None:
                return None
        return None

    def _next(self, *, is_patient: bool) -> Job | None:
        self.between_jobs.run_commands()
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        if self.reporter.is_drained:
            self._pause(UNFIT_SECONDS)
            return None
        picked = self.picker.pick()
        while picked.job_id is not None:
            job = self._in_hand(picked.job_id)
            if job is not None:
                return job
            picked = self.picker.pick()  # that one has dropped
        self.between_jobs.warm_up()
        if is_patient and picked.are_all_for_others:
            self._pause(UNFIT_SECONDS)
        elif is_patient:
            self._wait()
        return None

    def _in_hand(self, job_id: str) -> Job | None:
        self.lifeline.say(job_id, PATIENCE_BETWEEN_JOBS_SECONDS)
        try:
            return self.job_class.fetch(job_id, connection=self.connection, serializer=self.serializer)
        except NoSuchJobError as problem:
            logger.warning("%s is dropped: %s", job_id, problem)
            self.queues[0].intermediate_queue.remove(job_id)
            self.line.release()
            return None

    def _wait(self) -> None:
        self._is_waiting = True
        try:
            self.line.wait(IDLE_SECONDS)
        finally:
            self._is_waiting = False

    def _pause(self, seconds: float) -> None:
        self._is_waiting = True
        try:
            time.sleep(seconds)
        finally:
            self._is_waiting = False

    # --- one job -------------------------------------------------------------------------------------------------

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job in hand to its one report."""
        self._is_reported = False
        message = None if job.extras else read(job.data)
        try:
            if message is None:
                self._refuse(job, queue)
            else:
                self._render(job, queue, message)
            self.line.release()
            self.set_state("idle")
        except Unreachable as problem:
            logger.warning("RQ's record of %s is incomplete, Valkey cannot be reached: %s", job.id, problem)
        self._stopped_job_id = None
        if not self._is_reported:
            raise SystemExit(EXIT_UNFINISHED)
        self.lifeline.say(None, PATIENCE_BETWEEN_JOBS_SECONDS)
        if self._is_device_lost:
            raise SystemExit(EXIT_DEVICE_LOST)

    def _render(self, job: Job, queue: Queue, message: RenderJob) -> None:
        is_cancelled = self.connection.exists(cancel_key(message.generation_id))
        self._cancelled_job_id = message.job_id if is_cancelled else ""
        self._stream = ProgressStream(self._progress_connection, message.generation_id, self._preview_seconds)
        execution = self.prepare_execution(job)
        self._running = (job, execution, message)
        self.reporter.busy(message)
        try:
            self.perform_job(job, queue, execution)
        finally:
            self._running = None

    def _refuse(self, job: Job, queue: Queue) -> None:
        """End a job that is none of ours, or that this version cannot read. The queue carries data, not code."""
        logger.error("Job %s is not a render that this worker can read; it is refused.", job.id)
        try:
            generation_id, attempt = attempt_of(job.id)
        except ValueError:
            logger.info("Nobody waits for a report of %s", job.id)
        else:
            error = RenderError(code="unreadable_job", message="The job cannot be read by this version of the worker.")
            self.reports.finished(
                RenderReport(
                    generation_id=generation_id, attempt=attempt, worker=self.name, outcome=Outcome.FAILED, error=error
                )
            )
        self._is_reported = True
        self.handle_job_failure(job, queue, exc_string="Not a render job")
        queue.intermediate_queue.remove(job.id)

    def _is_cancelled(self, job: RenderJob) -> bool:
        # RQ's stop command notes the id of the job that it means, so it cannot hit the one after it.
        return job.job_id in (self._stopped_job_id, self._cancelled_job_id)

    def _on_progress(self, job: RenderJob, progress: Progress) -> None:
        assert self._stream is not None
        self._stream.write(progress)
        self._last_work.note()
        self.reporter.stage(progress.stage)

    def _on_report(self, job: RenderJob, report: RenderReport) -> None:
        self._is_reported = True
        self._is_device_lost = report.error is not None and report.error.code == render_job.DEVICE_LOST
        self.reporter.count(report)
        if report.outcome == Outcome.SUCCEEDED:
            self._warm_models.note(job.model)
            self.picker.service_times.learn(
                job, sum(s for stage, s in report.stage_seconds.items() if stage != Stage.LOADING)
            )

    # --- commands ------------------------------------------------------------------------------------------------

    def handle_payload(self, message: dict[str, Any]) -> None:
        """From the thread that listens: our commands wait for the main thread, the rest is RQ's."""
        try:
            payload = parse_payload(message)
            if payload.get("command") in fleet.COMMANDS:
                self.between_jobs.receive_command(payload)
            else:
                super().handle_payload(message)
        except (ValueError, AttributeError, KeyError) as problem:
            logger.warning("A command that cannot be read is ignored: %s", problem)

    def unsubscribe(self) -> None:
        """RQ tells the thread to end after the last message that could wake it, and then waits for it in vain."""
        if self.pubsub_thread is not None and self.pubsub is not None:
            self.pubsub_thread.stop()
            self.pubsub.unsubscribe()
            self.pubsub_thread.join(timeout=1)

    def _pubsub_exception_handler(self, exc: Exception, pubsub: Any, pubsub_thread: Any) -> None:
        """RQ's own gives up listening on a timeout. What is missed meanwhile, ``_keep_registered`` finds as keys."""
        logger.warning("Commands are not heard for the moment: %s", exc)
        time.sleep(1.0)

    # --- signs of life -------------------------------------------------------------------------------------------

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's own sign of life, with a lifetime of seconds whatever RQ asks for: a dead worker is soon seen."""
        super().heartbeat(WORKER_DEAD_AFTER_SECONDS, pipeline=pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return WORKER_DEAD_AFTER_SECONDS

    def _keep_registered(self) -> None:
        """From the heartbeat's thread: be known to RQ, also on a server that came back empty; see what was missed."""
        running = self._running
        with self.connection.pipeline() as pipeline:
            register(self, pipeline)
            pipeline.hset(self.key, mapping=self.serialize())
            self.heartbeat(pipeline=pipeline)
            pipeline.execute()
        self.between_jobs.refresh_drained()
        if running is not None:
            job, execution, message = running
            self.maintain_heartbeats(job, execution)
            if self.connection.exists(cancel_key(message.generation_id)):
                self._cancelled_job_id = message.job_id
