"""One job from message to report: fetch the inputs, render, upload, report. RQ calls ``run`` by its dotted name.

Whatever happens to an attempt, it ends in exactly one report. A job may run twice and gives the same files.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpu_worker import log_context
from gpu_worker.addresses import TransferFailed, verify_place
from gpu_worker.attempt import Attempt, Tally
from gpu_worker.contract import LATE_SECONDS, Outcome, Progress, RenderJob, RenderReport, Stage
from gpu_worker.deadline import Deadline
from gpu_worker.error_codes import HANDED_BACK, STEPPED_ASIDE, UPLOAD_FAILED
from gpu_worker.inputs import Fetcher, Input, InputUnavailable
from gpu_worker.leaving import LeavingTime
from gpu_worker.lifeline import Lifeline
from gpu_worker.media_input import Wanted
from gpu_worker.render_engine import RenderedClip, RenderedFrames, RenderEngine
from gpu_worker.render_errors import INTERNAL, error_of
from gpu_worker.reports import Reports
from gpu_worker.rq_seams.allowed_jobs import Table
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.snapshot_store import SnapshotStore
from gpu_worker.upload import Uploader, UploadFailed
from gpu_worker.valkey_names import RENDER_FUNCTION

logger = logging.getLogger(__name__)


class NotWanted(Exception):
    """The job was cancelled before the engine began."""


def run(message: dict[str, Any]) -> dict[str, Any] | Callable[[], dict[str, Any]]:
    """The RQ job: a ``RenderJob`` in, its ``RenderReport`` out, which is on the ``reports`` queue by then. Where the
    rest is done beside the next job, a function comes out that does it and returns the report.
    """
    if _renderer is None:
        raise RuntimeError(f"{__name__}.run works inside 'python -m gpu_worker --worker' only, where an engine is.")
    ended = _renderer.run(RenderJob.from_wire(message))
    return ended.to_wire() if isinstance(ended, RenderReport) else lambda: ended().to_wire()


JOBS: Table = {RENDER_FUNCTION: run}
"""All that the ``render`` queue may name."""


def _verify_places(job: RenderJob) -> None:
    """Nothing is read, and nothing rendered that would be written, outside of the website's files."""
    read = [*job.inputs.values(), *filter(None, [job.snapshot_from])]
    written = [*job.outputs.values(), *filter(None, [job.snapshot_to])]
    for addresses_of_kind, failure in ((read, InputUnavailable), (written, UploadFailed)):
        for address in addresses_of_kind:
            try:
                verify_place(address)
            except TransferFailed as problem:
                raise failure(str(problem), is_retryable=problem.is_retryable) from problem


def _may_go_elsewhere(error: Exception) -> bool:
    """Whether another host may make the next attempt: whoever steps aside goes on here."""
    from gpu_worker.engine.errors import RenderStopped  # its package brings torch along

    if isinstance(error, NotWanted | RenderStopped):
        return False
    reported = error_of(error)
    return reported.is_retryable and reported.code != STEPPED_ASIDE


def serve(renderer: Renderer) -> None:
    """Make ``renderer`` the one that ``run`` works with: one per process, as there is one card."""
    global _renderer
    _renderer = renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Everything that one job needs, and the only one who writes its report."""

    engine: RenderEngine
    worker: str
    cards: int
    """How many the engine has."""
    scratch: Path
    snapshots: SnapshotFiles
    snapshot_store: SnapshotStore
    fetcher: Fetcher
    uploader: Uploader
    reports: Reports
    lifeline: Lifeline
    delivery_lifeline: Lifeline
    leaving: LeavingTime
    stall_seconds: float
    expected_seconds: Callable[[RenderJob], float]
    """What a job will take without loading, by those that were made before; its whole time where none was."""
    is_cancelled: Callable[[RenderJob], bool]
    """Asked before the job begins and between its steps; answers from memory."""
    on_progress: Callable[[RenderJob, Progress], None]
    on_report: Callable[[RenderJob, RenderReport], None]
    """Called when the report has been left, by whichever thread did."""
    on_frames: Callable[[RenderJob, RenderedFrames], None]
    """Called when the frames have left the card."""
    picture_score: Callable[[Path], float | None]
    """How explicit the finished clip is; None where nobody can say. Raises nothing."""
    let_shorter_go_first: Callable[[RenderJob, float], None]
    """Called at a step after which all that is done is kept, with the seconds that are left; raises ``SteppedAside``
    where a short one waits."""
    may_overlap: Callable[[RenderJob], bool]
    """Asked then: whether the rest is to be done beside the next job."""

    def run(self, job: RenderJob) -> RenderReport | Callable[[], RenderReport]:
        """Make the clip, deliver it, and report how it ended. What it ends with is in the report.

        Returns the report or, once its frames have left the card and ``may_overlap`` says so, what is left to do for
        it: a function for another thread, beside the next job.

        Raises:
            redis.ConnectionError, redis.TimeoutError: the report could not be left for a long time.
        """
        folder = self.scratch / secrets.token_hex(8)
        attempt = Attempt(job, folder, Deadline(job.timeout_seconds), Tally(steps_total=job.steps), self.lifeline)
        with self._logged(job):
            self.lifeline.say(job.job_id, job.timeout_seconds + LATE_SECONDS)
            logger.info("Attempt %d begins", job.attempt)
            try:
                frames = self._frames(attempt)
            except BaseException as error:
                shutil.rmtree(attempt.folder, ignore_errors=True)
                if not isinstance(error, Exception):
                    raise
                return self._leave(attempt, self._ended_early(attempt, error))
            attempt.tally.enter("")  # what comes next may have to wait
            self.on_frames(job, frames)
            if not self.may_overlap(job):
                return self._finish(attempt, frames)
        deadline = attempt.deadline
        waits_since = deadline.clock()

        def beside() -> RenderReport:
            waited_seconds = deadline.clock() - waits_since  # for the delivery before it: none of its own time
            deadline.extend(min(waited_seconds, job.timeout_seconds))  # the website waits for no more than that
            if threading.current_thread() is not threading.main_thread():
                attempt.lifeline = self.delivery_lifeline
            with self._logged(job):
                return self._finish(attempt, frames)

        return beside

    def _logged(self, job: RenderJob) -> contextlib.AbstractContextManager[None]:
        request_id = log_context.clean_id(job.request_id)
        return log_context.bound(request_id=request_id, generation_id=job.generation_id, job_id=job.job_id)

    def _frames(self, attempt: Attempt) -> RenderedFrames:
        if self.is_cancelled(attempt.job):
            raise NotWanted
        self.reports.started(attempt.job)
        self.scratch.mkdir(parents=True, exist_ok=True)
        attempt.folder.mkdir(mode=0o700)
        inputs = self._inputs(attempt)
        with self.snapshot_store.beside(
            attempt.job,
            attempt.folder,
            self.snapshots,
            may_go_elsewhere=_may_go_elsewhere,
            while_waiting=attempt.lifeline.repeat,
        ) as note_written:

            def on_write() -> None:
                attempt.tally.note_snapshot()
                note_written()

            return self.engine.render_frames(
                attempt.job,
                inputs=inputs,
                folder=attempt.folder,
                on_progress=lambda progress: self._step(attempt, progress),
                should_stop=lambda: self._should_stop(attempt),
                snapshots=replace(self.snapshots, on_write=on_write),
            )

    def _finish(self, attempt: Attempt, frames: RenderedFrames) -> RenderReport:
        """Write the clip, deliver it and leave the report."""
        try:
            made = frames.write()
            score = self.picture_score(made.clip) if attempt.job.is_sampled else None
            report = self._succeeded(attempt.job, made, self._upload(attempt, made), score)
        except Exception as error:
            report = self._ended_early(attempt, error)
        finally:
            frames.discard()
            shutil.rmtree(attempt.folder, ignore_errors=True)
        return self._leave(attempt, report)

    def _leave(self, attempt: Attempt, report: RenderReport) -> RenderReport:
        job = attempt.job
        attempt.lifeline.say(job.job_id, LATE_SECONDS)
        self.reports.finished(report, while_waiting=attempt.lifeline.repeat)
        if report.error is None or not report.error.is_retryable:
            self.snapshots.discard(job.generation_id)
        self.on_report(job, report)
        way = f", gone on from step {report.resumed_from_step}" if report.resumed_from_step else ""
        logger.info("Attempt %d is %s%s", job.attempt, report.outcome.value, way)
        return report

    def _succeeded(
        self, job: RenderJob, made: RenderedClip, uploading_seconds: float, picture_score: float | None
    ) -> RenderReport:
        return RenderReport(
            generation_id=job.generation_id,
            attempt=job.attempt,
            secret=job.secret,
            worker=self.worker,
            outcome=Outcome.SUCCEEDED,
            cards=self.cards,
            clip=made.facts,
            steps_done=made.steps_done,
            steps_total=made.steps_total,
            resumed_from_step=made.resumed_from_step,
            stage_seconds={**made.stage_seconds, Stage.UPLOADING.value: uploading_seconds},
            peak_bytes=made.peak_bytes,
            similarity=made.similarity,
            picture_score=picture_score,
            request_id=job.request_id,
        )

    def _should_stop(self, attempt: Attempt) -> bool:
        """Whether the render is to stop, asked at every safe point of the engine. What it raises ends the render there.

        Raises:
            TimedOut: the job has used up its time.
            HandedBack: the worker has to leave before the steps that are left would be done.
            SteppedAside: a short one goes first.
        """
        attempt.deadline.check()
        self.leaving.check(attempt.tally.steps_seconds_left)
        if attempt.tally.is_kept:
            self.let_shorter_go_first(attempt.job, attempt.tally.steps_seconds_left)
        return self.is_cancelled(attempt.job)

    def _inputs(self, attempt: Attempt) -> dict[str, Input]:
        def on_chunk() -> None:
            attempt.lifeline.repeat()
            if self._should_stop(attempt):
                raise NotWanted

        _verify_places(attempt.job)
        self.snapshot_store.fetch(attempt.job, attempt.folder, self.snapshots, on_chunk)
        return self.fetcher.fetch(attempt.job.inputs, attempt.folder, on_chunk, Wanted.by(attempt.job))

    def _upload(self, attempt: Attempt, made: RenderedClip) -> float:
        def on_chunk() -> None:
            attempt.lifeline.repeat()
            attempt.deadline.check()

        began = time.monotonic()
        self._step(
            attempt,
            Progress(kind="stage", stage=Stage.UPLOADING.value, step=made.steps_done, steps_total=made.steps_total),
        )
        files = {"poster": (made.poster, "image/jpeg"), "clip": (made.clip, "video/mp4")}
        for role, (path, content_type) in files.items():
            if role in attempt.job.outputs:
                self.uploader.put(path, attempt.job.outputs[role], content_type, on_chunk)
        return time.monotonic() - began

    def _step(self, attempt: Attempt, progress: Progress) -> None:
        job, tally = attempt.job, attempt.tally
        tally.see(progress)
        patience_seconds = attempt.deadline.seconds_left + LATE_SECONDS
        if progress.stage != Stage.LOADING:
            # Until a step is measured, also the first may be long, for a large clip or because it compiles.
            usual_seconds = 5 * tally.seconds_per_step if tally.steps_done else self.expected_seconds(job)
            patience_seconds = min(patience_seconds, max(self.stall_seconds, usual_seconds))
        attempt.lifeline.say(job.job_id, patience_seconds)
        self.on_progress(job, progress)

    def _ended_early(self, attempt: Attempt, error: Exception) -> RenderReport:
        from gpu_worker.engine.errors import RenderStopped  # its package brings torch along

        job, tally = attempt.job, attempt.tally
        tally.enter("")
        is_cancelled = isinstance(error, NotWanted | RenderStopped)
        reported = None if is_cancelled else error_of(error)
        if reported is not None and reported.code in (HANDED_BACK, STEPPED_ASIDE):
            logger.info("Render %s is handed back after %d steps: %s", job.job_id, tally.steps_done, reported.code)
        elif reported is not None:
            details = error if reported.code == INTERNAL else None
            said = error if reported.code == UPLOAD_FAILED else reported.message
            logger.error("Render %s failed: %s: %s", job.job_id, reported.code, said, exc_info=details)
        return RenderReport(
            generation_id=job.generation_id,
            attempt=job.attempt,
            secret=job.secret,
            worker=self.worker,
            outcome=Outcome.CANCELLED if is_cancelled else Outcome.FAILED,
            cards=self.cards,
            error=reported,
            steps_done=error.steps_done if isinstance(error, RenderStopped) else tally.steps_done,
            steps_total=tally.steps_total,
            stage_seconds=tally.stage_seconds,
            request_id=job.request_id,
        )


_renderer: Renderer | None = None
