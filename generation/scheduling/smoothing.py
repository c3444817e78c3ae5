"""How far a range may move from one round to the next, so that nobody sees it jump.

Each end goes towards where the newest forecast has it, by a quarter of what it says at the most, or ten seconds where
that is more. What differs for good is reached within a few rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Expected

LEAST_SECONDS: Final = 10.0
MOST_SHARE: Final = 0.25


def room(seconds: float) -> float:
    """Return how far the end of a range at so many seconds may move."""
    return max(LEAST_SECONDS, MOST_SHARE * seconds)


def towards(before: Range, now: Range, passed_seconds: float = 0.0) -> Range:
    """Return the range that is told after ``before``, which was told so long ago, where ``now`` is what is expected."""
    low, mid, high = (
        _moved(max(0.0, was - passed_seconds), is_now) for was, is_now in zip(before.ends, now.ends, strict=True)
    )
    return Range(low, mid, high)


def _moved(was: float, is_now: float) -> float:
    return max(was - room(was), min(was + room(was), is_now))


@dataclass(slots=True)
class Told:
    """What this process last said of each near clip."""

    _last: dict[str, tuple[float, Expected]] = field(default_factory=dict)

    def smooth(self, said: Mapping[str, Expected], *, at: float) -> dict[str, Expected]:
        """Return what clips are told now, and remember it. Of a clip that has started the start is no forecast."""
        told = {id: self._of(id, each, at) for id, each in said.items()}
        self._last = {id: (at, each) for id, each in told.items()}
        return told

    def _of(self, id: str, now: Expected, at: float) -> Expected:
        if id not in self._last:
            return now
        when, before = self._last[id]
        passed = max(0.0, at - when)
        has_started = now.start.high == 0.0
        start = now.start if has_started else towards(before.start, now.start, passed)
        return Expected(start, towards(before.ready, now.ready, passed))
