"""A job's time limit as a question that is asked, never an alarm that rings.

An exception between any two bytecodes breaks whatever is at work: torch's stack of modes, a destructor, a tokenizer
that takes it for its own. So the limit counts at safe points only: between steps, stages, components, pieces of a file.
A render that reaches none of them is silent, and the supervisor ends its process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


class TimedOut(Exception):
    """The job has used up its time."""


@dataclass(slots=True)
class Deadline:
    """``seconds`` from now on."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _ends: float = field(init=False)

    def __post_init__(self) -> None:
        self._ends = self.clock() + self.seconds

    @property
    def seconds_left(self) -> float:
        """None left is 0, never less."""
        return max(0.0, self._ends - self.clock())

    def extend(self, seconds: float) -> None:
        """So long the job itself was kept waiting."""
        self._ends += seconds

    def check(self) -> None:
        """
        Raises:
            TimedOut: the time is over.
        """
        if not self.seconds_left:
            raise TimedOut(f"it was given {self.seconds:g} s")
