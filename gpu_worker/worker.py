"""The worker process: one engine behind RQ's worker.

One process holds the card and runs one job at a time on its main thread, so nothing needs a lock. A clip whose frames
have left the card is written and delivered beside the next job, one at a time. How RQ calls it stands in
``rq_seams.one_job_worker``; here is what a GPU worker does when it is called: a pop that looks at what is resident,
heartbeats while a job runs, one report a job, and commands of the fleet.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import redis

from gpu_worker import addresses, cache_folders, commands, key_tests, render_errors, render_job
from gpu_worker.backoff import pauses_seconds
from gpu_worker.between_jobs import BetweenJobs
from gpu_worker.completion import Completion
from gpu_worker.contract import Outcome, Progress, RenderError, RenderJob, RenderReport
from gpu_worker.delivery import Deliveries
from gpu_worker.disk_room import DiskRoom
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.inputs import Fetcher
from gpu_worker.job_choice import Bounds
from gpu_worker.job_picker import JobPicker
from gpu_worker.last_work import GPU, REMOTE, LastWork
from gpu_worker.leaving import HandedBack, LeavingTime
from gpu_worker.lifeline import Lifeline
from gpu_worker.picture_classifier import ClipScorer
from gpu_worker.progress import ProgressStream, ShownProgress
from gpu_worker.render_engine import RenderedFrames, RenderEngine
from gpu_worker.reports import KEPT_SECONDS, Reports
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from gpu_worker.rq_seams.one_job_worker import OneJobWorker
from gpu_worker.rq_seams.render_queue import RenderQueue, secret_in
from gpu_worker.service_time import off_the_card, on_the_card
from gpu_worker.settings import Settings
from gpu_worker.snapshot_files import HourlySweep, SnapshotFiles
from gpu_worker.snapshot_store import SnapshotStore
from gpu_worker.status import StatusReporter, first_status
from gpu_worker.step_aside import AsideBounds
from gpu_worker.upload import Uploader
from gpu_worker.valkey import Unreachable, connect
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_QUEUE, attempt_of, cancel_key, rq_worker, worker_of
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


class GpuWorker(OneJobWorker):
    """RQ's worker around one engine. ``work()`` runs until it is asked to stop.

    A process that leaves with a job in its hands says so by ``EXIT_UNFINISHED``; its last word on the lifeline and
    ``holding_key`` name the job.
    """

    def __init__(
        self,
        settings: Settings,
        engine: RenderEngine,
        lifeline: Lifeline,
        connection: redis.Redis,
        queue: str = RENDER_QUEUE,
    ) -> None:
        super().__init__(
            queue, render_job.JOBS, connection, name=rq_worker(settings.name), result_kept_seconds=KEPT_SECONDS
        )
        self.engine = engine
        self.lifeline = lifeline
        bounds = Bounds(settings.window, settings.max_skips, settings.max_wait_seconds, settings.affinity_fraction)
        self.line = RenderQueue(connection, settings.name, bounds, queue)
        aside = AsideBounds(
            times=settings.yield_times,
            seconds=settings.yield_seconds,
            least_left_seconds=settings.yield_left_seconds,
            gain=settings.yield_gain,
            share=settings.yield_share,
        )
        self.picker = JobPicker(self.line, engine, aside)
        self.heart = Heartbeat(connection, first_status(settings.name, engine, aside), also=self._keep_registered)
        self.reporter = StatusReporter(self.heart, engine)
        self._disk = DiskRoom(settings.cache, connection, settings.name)
        self.reports = Reports(connection, settings.name)
        self._warm_models = WarmModels(settings.cache / f"warm-models-{settings.name}.json")
        self.between_jobs = BetweenJobs(connection, settings.name, engine, self.reporter, self._warm_models)
        self._snapshots = SnapshotFiles(settings.snapshots, settings.snapshot_seconds)
        self._sweep = HourlySweep(self._snapshots.sweep, lambda: cache_folders.sweep(settings.cache, time.time()))
        self._leaving = LeavingTime()
        self._grace_seconds = settings.grace_seconds
        self._preview_seconds = settings.preview_seconds
        # Of its own, with short waits: what a browser sees must not hold up a render.
        self._progress_connection = connect(settings.redis_url, answer_seconds=2.0)
        self._last_work = LastWork(self._progress_connection, REMOTE if queue == REMOTE_QUEUE else GPU)
        self._rendering: RenderJob | None = None
        self._shown: dict[str, ShownProgress] = {}
        self._cancelled: set[str] = set()
        self._unreported: set[str] = set()
        self._deliveries = Deliveries(lifeline, self._is_reported, self._on_broken_off)
        self._ended: SimpleQueue[tuple[RenderJob, RenderReport]] = SimpleQueue()
        self.is_device_lost = False
        render_job.serve(self._renderer(settings))

    def _renderer(self, settings: Settings) -> render_job.Renderer:
        client = addresses.client()
        fetcher = Fetcher(client, settings.transfer_attempts, settings.input_bytes)
        uploader = Uploader(client, settings.transfer_attempts)
        return render_job.Renderer(
            engine=self.engine,
            worker=settings.name,
            cards=len(settings.cards) or 1,
            scratch=settings.scratch,
            snapshots=self._snapshots,
            snapshot_store=SnapshotStore(uploader, fetcher),
            fetcher=fetcher,
            uploader=uploader,
            reports=self.reports,
            lifeline=self.lifeline,
            delivery_lifeline=self._deliveries.lifeline,
            leaving=self._leaving,
            stall_seconds=settings.stall_seconds,
            expected_seconds=self.picker.service_times.seconds,
            is_cancelled=self._is_cancelled,
            on_progress=self._on_progress,
            on_report=self._on_report,
            on_frames=self._on_frames,
            picture_score=ClipScorer(settings.classifier).score,
            let_shorter_go_first=self._let_shorter_go_first,
            may_overlap=self._may_overlap,
        )

    # --- the loop ------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        self.heart.start()

    def on_ended(self) -> None:
        self.reporter.is_leaving = True
        try:
            if self._deliveries.job is not None:
                self.reporter.idle()  # which says that it leaves; a signal may have come while this was put together
            self._deliveries.wait()
            self._note_ended()
        finally:
            self.heart.stop()

    def on_asked_to_stop(self, signum: int) -> None:
        self.reporter.leaving()
        if signum == signal.SIGTERM:  # a stop through the fleet waits for the render, however long
            self._leaving.set(self._grace_seconds)

    def next_job(self, *, is_patient: bool) -> AllowedJob | None:
        """The next job for this card. Outlives a server that is away or comes back empty."""
        pauses = pauses_seconds()
        while not self.is_asked_to_stop:
            self._note_ended()
            self.reporter.has_no_room = self._disk.is_short()
            self.reporter.idle()
            self.lifeline.say(None, PATIENCE_BETWEEN_JOBS_SECONDS)
            self._sweep.run_if_due()
            try:
                job = self._next(is_patient=is_patient)
            except Unreachable as problem:
                pause = next(pauses)
                logger.warning("Valkey cannot be reached, trying again in %.1f s: %s", pause, problem)
                self._pause(pause)
                continue
            pauses = pauses_seconds()
            self._last_work.note()
            if job is not None or not is_patient:
                return job
        return None

    def _next(self, *, is_patient: bool) -> AllowedJob | None:
        self.between_jobs.run_commands()
        self.maintain()
        if self.reporter.is_drained or self.reporter.has_no_room:
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

    def _in_hand(self, job_id: str) -> AllowedJob | None:
        self.lifeline.say(job_id, PATIENCE_BETWEEN_JOBS_SECONDS)
        job = self.fetch(job_id)
        if job is None:
            self.line.release()
        return job

    def _wait(self) -> None:
        with self.idle():
            self.line.wait(IDLE_SECONDS)

    def _pause(self, seconds: float) -> None:
        with self.idle():
            time.sleep(seconds)

    # --- one job -------------------------------------------------------------------------------------------------

    def run_job(self, job: AllowedJob, message: RenderJob | None) -> None:
        """Run the job in hand to its one report, or until what is left of it goes on beside the next."""
        self._unreported.add(job.id)
        if message is None:
            self._refuse(job)
        else:
            self._render(job, message)
        self.line.release()

    def on_job_left(self) -> None:
        self._note_ended()
        in_delivery = self._deliveries.job
        if self._unreported - {in_delivery.job_id if in_delivery else ""}:
            raise SystemExit(EXIT_UNFINISHED)
        if not (self.is_asked_to_stop or self.reporter.is_drained):  # else it is of what is being delivered, too
            self._leaving.clear()
        self.lifeline.say(None, PATIENCE_BETWEEN_JOBS_SECONDS)
        if self.is_device_lost:
            raise SystemExit(EXIT_DEVICE_LOST)

    def _render(self, job: AllowedJob, message: RenderJob) -> None:
        if self.connection.exists(cancel_key(message.generation_id)):
            self._cancelled.add(message.job_id)
        self._shown[message.job_id] = ShownProgress(
            ProgressStream(self._progress_connection, message.generation_id, self._preview_seconds),
            Completion(
                message,
                learned=self.picker.service_times.by_stage(message),
                loading_seconds=self.picker.loading_seconds(message),
            ),
        )
        self._rendering = message
        try:
            rest = self.perform(job, on_begun=lambda: self.reporter.busy(message))
        finally:
            self._rendering = None
        if rest is not None:
            self._deliver(message, rest)

    def _deliver(self, message: RenderJob, rest: Callable[[], None]) -> None:
        """Let the rest of the job go on beside the next one, once the delivery before it is over."""
        self.lifeline.say(message.job_id, PATIENCE_BETWEEN_JOBS_SECONDS)
        try:
            self._deliveries.wait(lambda: self._leaving.check(0.0))
            self._leaving.check(0.0)
        except HandedBack:
            rest()  # which hands it back, too
            return
        self._note_ended()
        self.reporter.delivering(message)
        self._deliveries.begin(message, rest)

    def _note_ended(self) -> None:
        """On the main thread: count and learn from what has ended, whichever thread reported it.

        Raises:
            SystemExit: a delivery could not be reported.
        """
        delivered = self._deliveries.note_end()
        if delivered is not None and not self._is_reported(delivered.job_id):
            raise SystemExit(EXIT_UNFINISHED)
        if delivered is not None:
            self.reporter.delivering(None)
        while not self._ended.empty():
            self._learn(*self._ended.get())

    def _learn(self, job: RenderJob, report: RenderReport) -> None:
        self.is_device_lost |= report.error is not None and report.error.code == render_errors.DEVICE_LOST
        self.reporter.count(report)
        if report.outcome == Outcome.SUCCEEDED:
            self._warm_models.note(job.model)
            self.picker.service_times.learn(job, off_the_card(report.stage_seconds))

    def _refuse(self, job: AllowedJob) -> None:
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
                    generation_id=generation_id,
                    attempt=attempt,
                    secret=secret_in(job.data),
                    worker=worker_of(self.name),
                    outcome=Outcome.FAILED,
                    error=error,
                )
            )
        self._unreported.discard(job.id)
        self.fail(job, "Not a render job")

    def _is_cancelled(self, job: RenderJob) -> bool:
        return job.job_id in self._cancelled or self.is_stopped(job.job_id)

    def _may_overlap(self, job: RenderJob) -> bool:
        """A worker that takes no other job ends the one in hand as it began it."""
        return job.may_overlap and not self._is_ending

    @property
    def _is_ending(self) -> bool:
        return self.is_asked_to_stop or self.reporter.is_drained or self._leaving.is_set

    def _let_shorter_go_first(self, job: RenderJob, left_seconds: float) -> None:
        if not self._is_ending:
            try:
                self.picker.let_shorter_go_first(job, left_seconds)
            except Unreachable as problem:
                logger.warning("Who waits cannot be seen: %s", problem)

    def _on_frames(self, job: RenderJob, frames: RenderedFrames) -> None:
        if not frames.resumed_from_step:  # else its seconds are those of a part
            self.picker.service_times.learn(job, on_the_card(frames.stage_seconds))

    def _on_progress(self, job: RenderJob, progress: Progress) -> None:
        """From the thread that works on the job."""
        self._shown[job.job_id].write(progress)
        if self._rendering is not None and self._rendering.job_id == job.job_id:
            self._last_work.note()
            self.reporter.stage(progress.stage)
            if self._deliveries.job is not None and self._is_reported(self._deliveries.job.job_id):
                self._note_ended()

    def _on_report(self, job: RenderJob, report: RenderReport) -> None:
        """From the thread that works on the job."""
        self._ended.put((job, report))
        self._unreported.discard(job.job_id)
        self._cancelled.discard(job.job_id)
        del self._shown[job.job_id]

    # --- from other threads ---------------------------------------------------------------------------------------

    def _is_reported(self, job_id: str) -> bool:
        return job_id not in self._unreported

    def _on_broken_off(self) -> None:
        """Only a process that ends has its job handed on: what is on the card is handed back at its next safe point."""
        self._leaving.set(0.0)

    def on_command(self, command: dict[str, Any]) -> bool:
        if command.get("command") == commands.TEST_KEY:
            key_tests.begin(self.engine, self.reports, command)
            return True
        is_ours = command.get("command") in commands.COMMANDS
        if is_ours:
            within_seconds = command.get("within_seconds")
            if command["command"] == commands.DRAIN and isinstance(within_seconds, int | float):
                self._leaving.set(within_seconds)
            elif command["command"] == commands.RESUME and not self.is_asked_to_stop:
                self._leaving.clear()
            self.between_jobs.receive_command(command)
        return is_ours

    def _keep_registered(self) -> None:
        """From the heartbeat's thread: be known to RQ, also on a server that came back empty; see what was missed."""
        in_hand = (self._rendering, self._deliveries.job)
        self.keep_registered()
        self.between_jobs.refresh_drained()
        self.keep_running()
        for message in in_hand:
            if message is not None and self.connection.exists(cancel_key(message.generation_id)):
                self._cancelled.add(message.job_id)
