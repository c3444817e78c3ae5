"""One job from message to report: fetch the inputs, render, upload, report. RQ calls ``run`` by its dotted name.

Whatever happens to an attempt, it ends in exactly one report. A job may run twice and gives the same files.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_worker import log_context
from gpu_worker.addresses import TransferFailed, verify_place
from gpu_worker.contract import (
    DISK_FULL,
    HANDED_BACK,
    LATE_SECONDS,
    NOT_STORED,
    RENDER_FUNCTION,
    UPLOAD_FAILED,
    Outcome,
    Progress,
    RenderError,
    RenderJob,
    RenderReport,
    Stage,
)
from gpu_worker.deadline import Deadline, TimedOut
from gpu_worker.inputs import Fetcher, Input, InputUnavailable, InputUnreadable
from gpu_worker.leaving import HandedBack, LeavingTime
from gpu_worker.lifeline import Lifeline
from gpu_worker.media_input import Wanted
from gpu_worker.render_engine import RenderedClip, RenderEngine
from gpu_worker.reports import Reports
from gpu_worker.rq_seams.allowed_jobs import Table
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.upload import Uploader, UploadFailed

logger = logging.getLogger(__name__)

DEVICE_LOST = "device_lost"
INTERNAL = "internal"


class NotWanted(Exception):
    """The job was cancelled before the engine began."""


def run(message: dict[str, Any]) -> dict[str, Any]:
    """The RQ job: a ``RenderJob`` in, its ``RenderReport`` out, which is on the ``reports`` queue by then."""
    if _renderer is None:
        raise RuntimeError(f"{__name__}.run works inside 'python -m gpu_worker --worker' only, where an engine is.")
    return _renderer.run(RenderJob.from_wire(message)).to_wire()


JOBS: Table = {RENDER_FUNCTION: run}
"""All that the ``render`` queue may name."""


def _verify_places(job: RenderJob) -> None:
    """Nothing is read, and nothing rendered that would be written, outside of the website's files."""
    for addresses_of_kind, failure in ((job.inputs, InputUnavailable), (job.outputs, UploadFailed)):
        for address in addresses_of_kind.values():
            try:
                verify_place(address)
            except TransferFailed as problem:
                raise failure(str(problem), is_retryable=problem.is_retryable) from problem


def serve(renderer: Renderer) -> None:
    """Make ``renderer`` the one that ``run`` works with: one per process, as there is one card."""
    global _renderer
    _renderer = renderer


def explained(error: Exception) -> RenderError:
    """The report's error for what was raised: the one table of them. The prose for people is the website's."""
    from gpu_worker.engine.errors import EngineError, FatalDeviceError  # its package brings torch along

    match error:
        case EngineError() | FatalDeviceError():
            return RenderError(code=error.code, message=str(error), is_retryable=error.is_retryable)
        case TimedOut():
            return RenderError(code="timeout", message=f"The render did not end in time: {error}.")
        case HandedBack():
            return RenderError(code=HANDED_BACK, message="Its GPU worker had to stop.", is_retryable=True)
        case InputUnreadable():
            return RenderError(code="input_unreadable", message=str(error))
        case FileUnreadable():  # a continuation reads the rest of what is given once the new part is made
            message = f"The clip to go on from cannot be read whole: it {error}"
            return RenderError(code="input_unreadable", message=message)
        case InputUnavailable():
            return RenderError(code="input_unavailable", message=str(error), is_retryable=error.is_retryable)
        case UploadFailed():
            return RenderError(code=UPLOAD_FAILED, message=NOT_STORED, is_retryable=error.is_retryable)
        case OSError(errno=errno.ENOSPC):
            return RenderError(code=DISK_FULL, message="The worker's disk is full.", is_retryable=True)
        case _:
            # What was not foreseen may hold anything in its text: it goes to the worker's log alone.
            return RenderError(code=INTERNAL, message="The worker met an error of its own; its log has the details.")


@dataclass(slots=True)
class Tally:
    """What is known of an attempt so far, for the report of one that ends early."""

    steps_done: int = 0
    steps_total: int = 0
    seconds_per_step: float = 0.0
    stage: str = ""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0

    @property
    def steps_seconds_left(self) -> float:
        """What the steps that are left will take; 0 before one is measured."""
        return self.seconds_per_step * max(0, self.steps_total - self.steps_done) if self.steps_done else 0.0

    def see(self, progress: Progress) -> None:
        if progress.kind == "step":
            self.steps_done, self.steps_total = progress.step, progress.steps_total
            self.seconds_per_step = progress.seconds_per_step or 0.0
        if progress.stage:
            self.enter(progress.stage)

    def enter(self, stage: str) -> None:
        now = time.monotonic()
        if self.stage:
            self.stage_seconds[self.stage] = self.stage_seconds.get(self.stage, 0.0) + now - self._since
        self.stage, self._since = stage, now


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Everything that one job needs, and the only one who writes its report."""

    engine: RenderEngine
    worker: str
    scratch: Path
    snapshots: SnapshotFiles
    fetcher: Fetcher
    uploader: Uploader
    reports: Reports
    lifeline: Lifeline
    leaving: LeavingTime
    stall_seconds: float
    expected_seconds: Callable[[RenderJob], float]
    """What a job will take without loading, by those that were made before; its whole time where none was."""
    is_cancelled: Callable[[RenderJob], bool]
    """Asked before the job begins and between its steps; answers from memory."""
    on_progress: Callable[[RenderJob, Progress], None]
    on_report: Callable[[RenderJob, RenderReport], None]
    """Called when the report has been left."""

    def run(self, job: RenderJob) -> RenderReport:
        """Make the clip, deliver it, and report how it ended. What it ends with is in the report.

        Raises:
            redis.ConnectionError, redis.TimeoutError: the report could not be left for a long time.
        """
        ids = {"request_id": log_context.cleaned(job.request_id), "generation_id": job.generation_id}
        with log_context.bound(**ids, job_id=job.job_id):
            return self._run(job)

    def _run(self, job: RenderJob) -> RenderReport:
        self.lifeline.say(job.job_id, job.timeout_seconds + LATE_SECONDS)
        logger.info("Attempt %d begins", job.attempt)
        tally = Tally(steps_total=job.steps)
        try:
            report = self._attempt(job, tally, Deadline(job.timeout_seconds))
        except Exception as error:
            report = self._ended_early(job, tally, error)
        self.lifeline.say(job.job_id, LATE_SECONDS)
        self.reports.finished(report)
        if report.error is None or not report.error.is_retryable:
            self.snapshots.discard(job.generation_id)
        self.on_report(job, report)
        way = f", gone on from step {report.resumed_from_step}" if report.resumed_from_step else ""
        logger.info("Attempt %d is %s%s", job.attempt, report.outcome.value, way)
        return report

    def _attempt(self, job: RenderJob, tally: Tally, deadline: Deadline) -> RenderReport:
        if self.is_cancelled(job):
            raise NotWanted
        self.reports.started(job)
        with self._folder() as folder:
            inputs = self._inputs(job, folder, tally, deadline)
            made = self.engine.render(
                job,
                inputs=inputs,
                folder=folder,
                on_progress=lambda progress: self._step(job, tally, deadline, progress),
                should_stop=lambda: self._should_stop(job, tally, deadline),
                snapshots=self.snapshots,
            )
            uploading_seconds = self._upload(job, made, tally, deadline)
        return RenderReport(
            generation_id=job.generation_id,
            attempt=job.attempt,
            secret=job.secret,
            worker=self.worker,
            outcome=Outcome.SUCCEEDED,
            clip=made.facts,
            steps_done=made.steps_done,
            steps_total=made.steps_total,
            resumed_from_step=made.resumed_from_step,
            stage_seconds={**made.stage_seconds, Stage.UPLOADING.value: uploading_seconds},
            peak_bytes=made.peak_bytes,
            similarity=made.similarity,
            request_id=job.request_id,
        )

    def _should_stop(self, job: RenderJob, tally: Tally, deadline: Deadline) -> bool:
        """Whether the render is to stop, asked at every safe point of the engine. What it raises ends the render there.

        Raises:
            TimedOut: the job has used up its time.
            HandedBack: the worker has to leave before the steps that are left would be done.
        """
        deadline.check()
        self.leaving.check(tally.steps_seconds_left)
        return self.is_cancelled(job)

    def _inputs(self, job: RenderJob, folder: Path, tally: Tally, deadline: Deadline) -> dict[str, Input]:
        def on_chunk() -> None:
            self.lifeline.repeat()
            if self._should_stop(job, tally, deadline):
                raise NotWanted

        _verify_places(job)
        return self.fetcher.fetch(job.inputs, folder, on_chunk, Wanted.by(job))

    def _upload(self, job: RenderJob, made: RenderedClip, tally: Tally, deadline: Deadline) -> float:
        def on_chunk() -> None:
            self.lifeline.repeat()
            deadline.check()

        began = time.monotonic()
        self._step(
            job,
            tally,
            deadline,
            Progress(kind="stage", stage=Stage.UPLOADING.value, step=made.steps_done, steps_total=made.steps_total),
        )
        files = {"poster": (made.poster, "image/jpeg"), "clip": (made.clip, "video/mp4")}
        for role, (path, content_type) in files.items():
            if role in job.outputs:
                self.uploader.put(path, job.outputs[role], content_type, on_chunk)
        return time.monotonic() - began

    def _step(self, job: RenderJob, tally: Tally, deadline: Deadline, progress: Progress) -> None:
        tally.see(progress)
        patience_seconds = deadline.seconds_left + LATE_SECONDS
        if progress.stage != Stage.LOADING:
            # Until a step is measured, also the first may be long, for a large clip or because it compiles.
            usual_seconds = 5 * tally.seconds_per_step if tally.steps_done else self.expected_seconds(job)
            patience_seconds = min(patience_seconds, max(self.stall_seconds, usual_seconds))
        self.lifeline.say(job.job_id, patience_seconds)
        self.on_progress(job, progress)

    def _ended_early(self, job: RenderJob, tally: Tally, error: Exception) -> RenderReport:
        from gpu_worker.engine.errors import RenderStopped  # its package brings torch along

        tally.enter("")
        is_cancelled = isinstance(error, NotWanted | RenderStopped)
        reported = None if is_cancelled else explained(error)
        if reported is not None and reported.code == HANDED_BACK:
            logger.info("Render %s is handed back after %d steps", job.job_id, tally.steps_done)
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
            error=reported,
            steps_done=error.steps_done if isinstance(error, RenderStopped) else tally.steps_done,
            steps_total=tally.steps_total,
            stage_seconds=tally.stage_seconds,
            request_id=job.request_id,
        )

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


_renderer: Renderer | None = None
