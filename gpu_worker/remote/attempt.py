"""One attempt at a clip that a provider makes: begun once, looked at until it is done, and fetched.

A job with a provider outlives the process that began it, and costs money. So what is begun is noted before and after,
and the next attempt finds it by these notes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gpu_worker.backoff import pauses_seconds
from gpu_worker.contract import Progress, RenderJob, Stage
from gpu_worker.deadline import TimedOut
from gpu_worker.engine.errors import RenderStopped
from gpu_worker.remote.clip import RemoteFrames
from gpu_worker.remote.errors import (
    FAILED,
    LOST,
    NOT_SET_UP,
    UNAVAILABLE,
    UNSURE,
    Busy,
    NoSuchJob,
    RemoteFailed,
    Unanswered,
)
from gpu_worker.remote.provider import Ask, NotFindable, Provider, Seen, Status
from gpu_worker.remote.started_jobs import NotKnown, StartedJob, StartedJobs

logger = logging.getLogger(__name__)

STEPS: Final = 100
"""What progress is counted in: percent of the provider's."""
MOST_STARTS: Final = 6
"""Tries to begin a job with a provider that is busy or away, with longer and longer pauses; then the attempt fails."""
MOST_DOWNLOADS: Final = 6

Wait = Callable[[float, Callable[[], None]], None]
"""Waits for so many seconds, and calls what it is given at least every second."""


@dataclass(slots=True)
class RemoteAttempt:
    """One attempt at one clip. Before anything else it asks its notes whether a job was begun already."""

    job: RenderJob
    provider: Provider
    account: str
    ask: Ask
    folder: Path
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    started: StartedJobs
    wait: Wait
    poll_seconds: float
    percent: int = 0
    note: StartedJob = field(default_factory=StartedJob)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> RemoteFrames:
        """
        Raises:
            RemoteFailed: the provider made no clip.
            RenderStopped: the clip is not wanted any more.
        """
        began = time.monotonic()
        self._say(Stage.LOADING, f"Asking {self.provider.title}.")
        try:
            self._begin()
            seen = self._await()
            fetched = self._download(seen)
        except TimedOut:
            self._cancel()
            raise
        self.seconds[Stage.DENOISING.value] = time.monotonic() - began
        return RemoteFrames(
            job=self.job,
            title=self.provider.title,
            model=self.ask.model,
            folder=self.folder,
            fetched=fetched,
            stage_seconds=self.seconds,
            steps_total=STEPS,
            on_progress=self.on_progress,
            should_stop=self.should_stop,
        )

    # --- beginning, once -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """See to it that exactly one job is under way for the clip, and note which."""
        try:
            before = self.started.of(self.job.generation_id)
        except NotKnown:
            raise RemoteFailed(
                UNAVAILABLE, "What was begun before cannot be looked up now.", is_retryable=True
            ) from None
        if before is not None and before.account == self.account:
            self.note = before
            if before.remote_id and not before.is_over:
                logger.info("The job that an earlier attempt began is found again")
                return
            if not before.is_over:
                self._resume_start()
                return
            self.note = StartedJob(round=before.round + 1, step=before.step)
        elif before is not None:  # the row names another account by now: it is another clip's worth
            self.note = StartedJob(round=before.round + 1, step=before.step)
        elif self.job.attempt > 1 and not self.provider.is_idempotent:
            # An attempt came before, and nobody knows how far: its notes are gone with its host and Valkey's content.
            self._find_or_give_up(or_start=True)
            return
        self._start()

    def _resume_start(self) -> None:
        """A start was under way when the process died: it may have been taken, or not."""
        if self.provider.is_idempotent:
            self._start()
        else:
            self._find_or_give_up(or_start=True)

    def _find_or_give_up(self, *, or_start: bool) -> None:
        """Ask the provider for the job under our own name of it. Where that cannot be asked, the clip is given up with
        its credits, rather than paid for twice."""
        try:
            found = self._patiently(lambda: self.provider.find(self.ask, self._reference))
        except NotFindable:
            self._note(is_over=True)
            raise RemoteFailed(
                UNSURE,
                f"We lost touch with {self.provider.title} while it was asked, and cannot tell whether it began.",
            ) from None
        if found is not None:
            self._note(remote_id=found)
        elif or_start:
            self._start()

    def _start(self) -> None:
        """Begin the job, waiting out a provider that is busy or away for a while."""
        pauses = pauses_seconds()
        is_unsure = False
        for left in reversed(range(MOST_STARTS)):
            self._stop_if_asked()
            self._note(remote_id="")  # from here on until it is answered, nobody can tell whether it was begun
            try:
                self._note(remote_id=self.provider.start(self.ask, self._reference))
                return
            except Busy as problem:
                self._note(is_over=not is_unsure)
                self._wait_to_start(problem, left, problem.retry_after_seconds or next(pauses))
            except Unanswered as problem:
                is_unsure = True
                if not self.provider.is_idempotent and self._is_found():
                    return
                self._wait_to_start(problem, left, next(pauses))
            except (NoSuchJob, RemoteFailed) as problem:
                # After an unanswered try it may have been taken after all, and takes no second one of that name.
                if is_unsure and not self.provider.is_idempotent and self._is_found():
                    return
                self._note(is_over=True)
                if isinstance(problem, RemoteFailed):
                    raise
                raise RemoteFailed(NOT_SET_UP, f"{self.provider.title} has no model {self.ask.model!r}.") from problem

    def _is_found(self) -> bool:
        self._find_or_give_up(or_start=False)
        return bool(self.note.remote_id)

    def _wait_to_start(self, problem: Exception, left: int, seconds: float) -> None:
        """
        Raises:
            RemoteFailed: no try is left.
        """
        if not left:
            raise RemoteFailed(UNAVAILABLE, f"{problem} Try again later.", is_retryable=True) from problem
        self._say(Stage.LOADING, f"{problem} Trying again.")
        self._wait(seconds)

    @property
    def _reference(self) -> str:
        """Our own name of the job: of one clip and round it is always the same."""
        return f"{self.job.generation_id}-{self.note.round}"

    # --- waiting -------------------------------------------------------------------------------------------------

    def _await(self) -> Seen:
        """Look at the job until it is done. An outage is waited out, as long as the clip has time."""
        pauses = pauses_seconds()
        while True:
            self._stop_if_asked()
            try:
                seen = self.provider.look(self.note.remote_id)
            except (Busy, Unanswered) as problem:
                self._say(Stage.DENOISING, f"{problem} The clip may well be under way.")
                self._wait(getattr(problem, "retry_after_seconds", None) or next(pauses))
                continue
            except NoSuchJob as problem:
                self._note(is_over=True)
                raise RemoteFailed(LOST, f"{self.provider.title} does not know its own job any more.") from problem
            pauses = pauses_seconds()
            if seen.status == Status.DONE:
                return seen
            if seen.status == Status.FAILED:
                self._note(is_over=True)
                raise RemoteFailed(FAILED, f"{self.provider.title} made no clip: {seen.problem or 'it says no more'}")
            if seen.fraction is not None:
                self.percent = max(self.percent, int(STEPS * min(1.0, seen.fraction)))
            self._say(Stage.DENOISING if seen.status == Status.RUNNING else Stage.LOADING)
            self._wait(self.poll_seconds)

    def _download(self, seen: Seen) -> Path:
        path = self.folder / "fetched.mp4"
        pauses = pauses_seconds()
        for left in reversed(range(MOST_DOWNLOADS)):
            try:
                self.provider.download(self.note.remote_id, seen, path, self._stop_if_asked)
                return path
            except (Busy, Unanswered) as problem:
                if not left:
                    raise RemoteFailed(UNAVAILABLE, str(problem), is_retryable=True) from problem
                self._wait(next(pauses))
            except NoSuchJob as problem:
                self._note(is_over=True)
                raise RemoteFailed(LOST, f"{self.provider.title} has no file of the clip.") from problem
        raise AssertionError("the last try returns or raises")

    def _patiently(self, ask: Callable[[], str | None]) -> str | None:
        """Return the answer, waiting out a provider that is away.

        Raises:
            RemoteFailed: it stayed away; another attempt asks again.
        """
        pauses = pauses_seconds()
        for _ in range(MOST_STARTS):
            try:
                return ask()
            except (Busy, Unanswered):
                self._wait(next(pauses))
        raise RemoteFailed(UNAVAILABLE, f"{self.provider.title} does not answer. Try again later.", is_retryable=True)

    # --- ending early --------------------------------------------------------------------------------------------

    def _stop_if_asked(self) -> None:
        if not self.should_stop():
            return
        is_begun = bool(self.note.remote_id)
        self._cancel()
        done = STEPS if is_begun and self.provider.charges_for_begun else self.percent
        raise RenderStopped(done, STEPS, self.seconds)

    def _cancel(self) -> None:
        """Stop the job with the provider, as far as it can be stopped. What goes wrong then changes nothing here."""
        if not self.note.remote_id:
            return
        try:
            self.provider.cancel(self.note.remote_id)
        except (Busy, NoSuchJob, RemoteFailed, Unanswered) as problem:
            logger.warning("The job could not be stopped: %s", problem)

    # --- saying --------------------------------------------------------------------------------------------------

    def _note(self, *, remote_id: str | None = None, is_over: bool = False) -> None:
        self.note = replace(
            self.note,
            remote_id=self.note.remote_id if remote_id is None else remote_id,
            is_over=is_over,
            account=self.account,
            step=self.note.step + 1,
        )
        self.started.note(self.job.generation_id, self.note)

    def _say(self, stage: Stage, message: str = "") -> None:
        self.on_progress(
            Progress(kind="stage", stage=stage.value, step=self.percent, steps_total=STEPS, message=message)
        )

    def _wait(self, seconds: float) -> None:
        self.wait(seconds, self._stop_if_asked)
