"""Who goes first: clips that are paid for, by a plan or from bought credits, before those that cost nothing.

A finish tag tells the tier too. Those of free clips begin at ``FREE_BEGINS``, behind every tag of a clip that is paid
for, and have a clock of their own, so that one order serves index, places and forecast, and neither tier moves the
other's shares. Wherever clips stand in line, a free one *yields*: a paid one that comes goes before it. So free clips
delay a paid one by what each worker has in hand when it comes, and no more.

So that they do not starve, the first free clip in line is passed by at most ``MOST_PASSES`` paid ones. Then its tag
becomes the paid clock's time, and it yields no more. For that one free clip for each size of card is kept in line,
however many paid ones wait. Of the paid ones before a clip, each sixteenth therefore brings one free clip with it.
"""

from __future__ import annotations

from typing import Final, Protocol, TypeVar

FREE_BEGINS: Final = float(2**40)
"""No sum of prices comes near it, and between tags behind it there is still room for a thousandth of a credit."""
MOST_PASSES: Final = 16


def yields(tag: float) -> bool:
    """Whether a clip of this tag lets those that are paid for go before it."""
    return tag >= FREE_BEGINS


def on_its_clock(tag: float) -> float:
    """Return the tag as the clock of its tier counts, which begins at 0."""
    return tag - FREE_BEGINS if yields(tag) else tag


class Yielding(Protocol):
    """A free clip in line."""

    passes: int
    """How many that are paid for went before it while it was the first free one in line."""


_Clip = TypeVar("_Clip", bound=Yielding)


def pass_first(line: list[_Clip]) -> _Clip | None:
    """Count one that goes before the first of ``line``, which yield, first in line first. Return that one, taken out of
    ``line``, where it was passed for the last time and yields no more."""
    if not line:
        return None
    line[0].passes += 1
    return line.pop(0) if line[0].passes >= MOST_PASSES else None
