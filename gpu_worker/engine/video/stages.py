"""A render's clock: which stage it is in, how long each took, and the two questions asked between steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gpu_worker.contract import Progress, Stage
from gpu_worker.engine.errors import RenderStopped
from gpu_worker.engine.events import log_event

log = logging.getLogger(__name__)

OnProgress = Callable[[Progress], None]
ShouldStop = Callable[[], bool]
Clock = Callable[[], float]


class StageClock:
    """Reports stages and steps as they happen and keeps the seconds of each stage.

    Every stage and every step first asks ``should_stop``; when it is true, ``RenderStopped`` is raised.
    """

    def __init__(
        self, *, steps_total: int, on_progress: OnProgress, should_stop: ShouldStop, clock: Clock = time.monotonic
    ) -> None:
        self.steps_done = 0
        self.steps_total = steps_total
        self._steps_resumed = 0
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._stage: Stage | None = None
        self._since = clock()

    @property
    def stage(self) -> Stage | None:
        return self._stage

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, of the one under way as long as it has taken."""
        if self._stage is None:
            return dict(self._seconds)
        return {**self._seconds, self._stage: self._seconds.get(self._stage, 0.0) + self._clock() - self._since}

    def enter(self, stage: Stage, message: str = "") -> None:
        """Close the stage before and begin ``stage``; says so once.

        Raises:
            RenderStopped: the render is not wanted any more.
        """
        self.stop_if_asked()
        if stage is self._stage:
            return
        self._close()
        self._stage = stage
        self._on_progress(
            Progress(kind="stage", stage=stage, step=self.steps_done, steps_total=self.steps_total, message=message)
        )

    def step_done(self, step: int, steps_total: int) -> None:
        """Report that ``step`` (counted from 1) of ``steps_total`` is done."""
        self.steps_done, self.steps_total = step, steps_total
        self._on_progress(
            Progress(
                kind="step",
                stage=self._stage or Stage.DENOISING,
                step=step,
                steps_total=steps_total,
                seconds_per_step=self._denoising_seconds() / (step - self._steps_resumed),
            )
        )

    def restart_steps(self) -> None:
        """Denoising begins from the first step, the first time or again."""
        self.steps_done = self._steps_resumed = 0
        self._seconds.pop(Stage.DENOISING, None)

    def resume_steps(self, steps_done: int, steps_total: int) -> None:
        """Steps of an earlier attempt count as done, and not as time that this one took."""
        self.steps_done = self._steps_resumed = steps_done
        self.steps_total = steps_total
        self.say(f"Goes on from step {steps_done} of {steps_total}")

    def _denoising_seconds(self) -> float:
        return self._seconds.get(Stage.DENOISING, 0.0) + self._clock() - self._since

    def say(self, message: str) -> None:
        """Tell the person who waits why it takes longer."""
        self._on_progress(
            Progress(
                kind="stage",
                stage=self._stage or Stage.LOADING,
                step=self.steps_done,
                steps_total=self.steps_total,
                message=message,
            )
        )

    def show(self, preview: str) -> None:
        """Report a picture of what is being made."""
        self._on_progress(
            Progress(
                kind="preview",
                stage=self._stage or Stage.DENOISING,
                step=self.steps_done,
                steps_total=self.steps_total,
                preview=preview,
            )
        )

    def stop_if_asked(self) -> None:
        """
        Raises:
            RenderStopped: the render is not wanted any more.
        """
        if self._should_stop():
            raise RenderStopped(self.steps_done, self.steps_total, self.finish())

    def pause(self) -> None:
        """Close the stage under way: until the next begins, time is none's."""
        self._close()
        self._stage = None

    def finish(self) -> dict[str, float]:
        """Close the stage under way; seconds by stage."""
        self._close()
        return dict(self._seconds)

    def _close(self) -> None:
        now = self._clock()
        if self._stage is not None:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
            log_event(log, "stage ended", stage=self._stage, seconds=now - self._since)
        self._since = now
