"""How long to wait before something that failed is tried again. One rule, for both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import TypeVar

FIRST_SECONDS, LONGEST_SECONDS = 0.1, 2.0
_MOST_DOUBLINGS = 20

_Duration = TypeVar("_Duration", float, timedelta)


def pause_after(failures: int, first: _Duration, longest: _Duration) -> _Duration:
    """The pause after so many failures in a row: ``first`` after one, then twice the one before, up to ``longest``."""
    return min(longest, first * 2.0 ** min(max(failures, 1) - 1, _MOST_DOUBLINGS))


def pauses_seconds(first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> Iterator[float]:
    """Yield the pause after each failure in a row, without end; by default as suits a store that cannot be reached."""
    return (pause_after(failures, first, longest) for failures in count(1))
