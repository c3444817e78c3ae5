"""One attempt under way: its job, its time limit, who hears that it goes on, and what is known of it so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from gpu_worker.contract import Progress, RenderJob
from gpu_worker.deadline import Deadline
from gpu_worker.lifeline import Lifeline


@dataclass(slots=True)
class Tally:
    """What is known of an attempt so far, for the report of one that ends early."""

    steps_done: int = 0
    steps_total: int = 0
    seconds_per_step: float = 0.0
    stage: str = ""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    snapshot_step: int = 0
    """The step whose state was kept last."""
    _since: float = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether all that is done so far is in a snapshot, and something is left."""
        return 0 < self.steps_done == self.snapshot_step < self.steps_total

    def note_snapshot(self) -> None:
        self.snapshot_step = self.steps_done

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


@dataclass(slots=True)
class Attempt:
    """Whoever works on it says so on ``lifeline``: the main thread's, or the delivery's from where that goes on."""

    job: RenderJob
    folder: Path
    """For the files of this attempt; whoever ends it removes it."""
    deadline: Deadline
    tally: Tally
    lifeline: Lifeline
