"""The next job for this card, from the jobs in line and what the engine holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpu_worker.contract import RenderJob
from gpu_worker.job_choice import LOOKS, Choice, Waiting, choose
from gpu_worker.render_engine import RenderEngine
from gpu_worker.rq_seams.render_queue import RenderQueue
from gpu_worker.service_time import ServiceTimes
from gpu_worker.step_aside import AsideBounds, SteppedAside, steps_aside

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PickedJob:
    """RQ's id of the job that is now in this worker's hands, or why there is none."""

    job_id: str | None = None
    are_all_for_others: bool = False
    """Jobs wait, and none of them fits this card."""


LOOK_SECONDS = 5.0
"""Shortest time between two looks for a short job while a long one is rendered."""

KEEPER_SECONDS = 900.0
"""What goes on from a snapshot waits so long for the worker that has it. Then any makes it, from the first step."""


REFUSED_SECONDS = 5.0
"""Whether every other worker has refused a job too is asked this often while this one has nothing to do."""

FRUITLESS_SECONDS = 2.0
"""A line with nothing for this card is looked at again after so long, or as soon as a job has joined it."""


@dataclass(frozen=True, slots=True)
class _Aside:
    """A render that has stepped aside here."""

    job: RenderJob
    left_seconds: float
    ends_at: float
    """Until then short ones go before it."""


class JobPicker:
    """Takes jobs out of the line. A job that makes the engine fail here is served in its turn: there it ends in a
    report, here it would end the worker, and every worker after it."""

    def __init__(
        self,
        line: RenderQueue,
        engine: RenderEngine,
        aside: AsideBounds,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service_times = ServiceTimes()
        self._line = line
        self._engine = engine
        self._aside = aside
        self._clock = clock
        self._looks_at = clock()
        self._lets_pass: _Aside | None = None
        self._refused_until: dict[str, float] = {}
        """By RQ's id of a job that this card cannot hold."""
        self._others: frozenset[str] | None = None
        """Who takes jobs now, once a look has asked."""
        self._fruitless: frozenset[str] = frozenset()
        """What the last look saw, where nothing of it fits this card."""
        self._fruitless_until = clock()

    def let_shorter_go_first(self, job: RenderJob, left_seconds: float) -> None:
        """Look at times whether the job that this card would take next is short against what is left of ``job``.

        Raises:
            SteppedAside: it is, and is picked next.
            Unreachable: Valkey is away.
        """
        if job.times_aside >= self._aside.times or left_seconds < self._aside.least_left_seconds:
            return
        if (now := self._clock()) < self._looks_at:
            return
        self._looks_at = now + LOOK_SECONDS
        self._others = None
        first = self._choice(self._line.window()).taken
        if first is not None and first.job is not None and self._steps_aside(job, first.job, left_seconds):
            self._lets_pass = _Aside(job, left_seconds, now + self._aside.seconds)
            raise SteppedAside

    def _steps_aside(self, job: RenderJob, first: RenderJob, left_seconds: float) -> bool:
        return steps_aside(
            job,
            first,
            self._aside,
            left_seconds=left_seconds,
            service_seconds=self.service_times.seconds(first),
            loading_seconds=self.loading_seconds(first),
        )

    def pick(self) -> PickedJob:
        """Take the best of the first jobs in line that this card can hold, and tell the engine what waits behind it."""
        if self._is_fruitless():
            return PickedJob(are_all_for_others=True)
        self._others = None
        window = self._line.window()
        choice = self._short_one(window) or self._choice(window)
        if choice.taken is None and len(window) >= self._line.bounds.window:
            window = self._line.window(LOOKS)
            choice = self._further(window, choice.unfit)
        if choice.taken is None:
            self._fruitless = frozenset(waiting.job_id for waiting in window)
            self._fruitless_until = self._clock() + FRUITLESS_SECONDS
            return PickedJob(are_all_for_others=bool(choice.unfit))
        if not self._line.take(choice.taken.job_id, choice.unfit):
            return PickedJob()  # the line has changed meanwhile
        self._engine.upcoming = self._upcoming(window, choice)
        return PickedJob(choice.taken.job_id)

    def _is_fruitless(self) -> bool:
        """Whether all that waits was seen a moment ago and is for others. An idle card looks four times a second, and
        a whole look costs what all the jobs and all the workers cost."""
        if not self._fruitless or self._clock() >= self._fruitless_until:
            return False
        in_line = self._line.ids(LOOKS)
        return bool(in_line) and self._fruitless.issuperset(in_line)

    def _further(self, window: Sequence[Waiting], unfit: tuple[str, ...]) -> Choice:
        """Choose from the first of so many windows with something for this card, behind those that have nothing."""
        behind = [waiting for waiting in window if waiting.job_id not in unfit]
        for start in range(0, len(behind), self._line.bounds.window):
            choice = self._choice(behind[start:])
            unfit += choice.unfit
            if choice.taken is not None:
                return Choice(choice.taken, unfit)
        return Choice(None, unfit)

    def _upcoming(self, window: Sequence[Waiting], choice: Choice) -> list[RenderJob]:
        """Return what this card may make after ``choice``, also what stepped aside for it."""
        aside = self._lets_pass.job.generation_id if self._lets_pass else None
        return [
            w.job
            for w in window
            if w.job is not None and w is not choice.taken
            if w.job_id not in choice.unfit or w.job.generation_id == aside
        ][: self._line.bounds.window]

    def _short_one(self, window: Sequence[Waiting]) -> Choice | None:
        """Return what goes before the render that stepped aside here, which counts as no skip of it; None once nothing
        short waits, or its time aside is over."""
        aside, self._lets_pass = self._lets_pass, None
        if aside is None or self._clock() >= aside.ends_at:
            return None
        generation_id = aside.job.generation_id
        own = [w.job_id for w in window if w.job is not None and w.job.generation_id == generation_id]
        choice = self._choice([w for w in window if w.job_id not in own])
        if choice.taken is None or choice.taken.job is None:
            return None
        if not self._steps_aside(aside.job, choice.taken.job, aside.left_seconds):
            return None
        self._lets_pass = aside
        return Choice(choice.taken, (*choice.unfit, *own))

    def _choice(self, window: Sequence[Waiting]) -> Choice:
        return choose(
            window,
            self._line.bounds,
            can_hold=self._can_hold,
            loading_seconds=self.loading_seconds,
            service_seconds=self.service_times.seconds,
        )

    def _can_hold(self, waiting: Waiting) -> bool:
        """Return whether this card can hold the job, or no live worker can, so that one of them reports it. What goes
        on from a snapshot of another worker's is held by that one."""
        try:
            is_for_us = self._is_for_us(waiting)
            fits = waiting.job is None or (is_for_us and self._engine.can_hold(waiting.job) is None)
        except Exception:
            logger.exception("Whether %s fits cannot be told", waiting.job_id)
            return True
        if fits or (now := self._clock()) >= self._refused_until.get(waiting.job_id, now):
            return fits or self._is_refused_by_all(waiting.job_id)
        return False

    def _is_refused_by_all(self, job_id: str) -> bool:
        if self._others is None:
            self._others = self._line.workers_taking_jobs()
        if self._line.is_refused_by_all(job_id, self._others):
            return True
        now = self._clock()
        self._refused_until = {id: until for id, until in self._refused_until.items() if until > now}
        self._refused_until[job_id] = now + REFUSED_SECONDS
        return False

    def _is_for_us(self, waiting: Waiting) -> bool:
        is_ours = waiting.job is None or waiting.job.kept_by in ("", self._line.worker)
        return is_ours or waiting.waited_seconds > KEEPER_SECONDS

    def loading_seconds(self, job: RenderJob) -> float | None:
        """Return the seconds of loading that ``job`` would begin with now; None where that is unknown."""
        try:
            return self._engine.loading_seconds(job.model)
        except Exception:
            logger.exception("What %s has to load cannot be told", job.job_id)
            return None
