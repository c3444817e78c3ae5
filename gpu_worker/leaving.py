"""By when a worker has to be done with the job in its hands, and handing it back where the render would take longer.

Asked for at safe points, as the job's own time limit is (``gpu_worker.deadline``). What was rendered is not lost: the
next attempt on this host goes on from the last snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class HandedBack(Exception):
    """The worker has to leave before the render would end. Another attempt goes on with it."""


class LeavingTime:
    """No time at first. Set from signal handlers and other threads too: one assignment, no lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = float("inf")

    def set(self, within_seconds: float) -> None:
        """The job in hand has so long from now, or as long as was said before, whichever is sooner."""
        self._ends = min(self._ends, self._clock() + within_seconds)

    @property
    def is_set(self) -> bool:
        return self._ends < float("inf")

    def clear(self) -> None:
        """There is no hurry."""
        self._ends = float("inf")

    def check(self, render_seconds: float) -> None:
        """
        Args:
            render_seconds: what the render will still take, as far as that is known.

        Raises:
            HandedBack: that is longer than there is, or the time is over.
        """
        if self._clock() + render_seconds >= self._ends:
            raise HandedBack
