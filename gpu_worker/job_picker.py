"""The next job for this card, from the jobs in line and what the engine holds."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from gpu_worker.contract import RenderJob
from gpu_worker.job_choice import Waiting, choose
from gpu_worker.render_engine import RenderEngine
from gpu_worker.rq_seams.render_queue import RenderQueue
from gpu_worker.service_time import ServiceTimes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PickedJob:
    """RQ's id of the job that is now in this worker's hands, or why there is none."""

    job_id: str | None = None
    are_all_for_others: bool = False
    """Jobs wait, and none of them fits this card."""


class JobPicker:
    """Takes jobs out of the line. A job that makes the engine fail here is served in its turn: there it ends in a
    report, here it would end the worker, and every worker after it."""

    def __init__(self, line: RenderQueue, engine: RenderEngine) -> None:
        self.service_times = ServiceTimes()
        self._line = line
        self._engine = engine

    def pick(self) -> PickedJob:
        """Take the best job of the window, and tell the engine what waits behind it."""
        window = self._line.window()
        choice = choose(
            window,
            self._line.bounds,
            can_hold=self._can_hold,
            loading_seconds=self.loading_seconds,
            service_seconds=self.service_times.seconds,
        )
        if choice.taken is None:
            return PickedJob(are_all_for_others=bool(choice.unfit))
        if not self._line.take(choice.taken.job_id, choice.unfit):
            return PickedJob()  # the line has changed meanwhile
        self._engine.upcoming = [w.job for w in window if w.job is not None and w is not choice.taken]
        return PickedJob(choice.taken.job_id)

    def _can_hold(self, waiting: Waiting) -> bool:
        """Return whether this card can hold the job, or no live worker can, so that one of them reports it."""
        try:
            fits = waiting.job is None or self._engine.can_hold(waiting.job) is None
        except Exception:
            logger.exception("Whether %s fits cannot be told", waiting.job_id)
            return True
        return fits or self._line.is_refused_by_all(waiting.job_id)

    def loading_seconds(self, job: RenderJob) -> float | None:
        """Return the seconds of loading that ``job`` would begin with now; None where that is unknown."""
        try:
            return self._engine.loading_seconds(job.model)
        except Exception:
            logger.exception("What %s has to load cannot be told", job.job_id)
            return None
