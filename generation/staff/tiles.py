"""Tiles and plots of the admin's first page: one figure each, in words that say its unit and what it was before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = "–"
_SPACE: Final = "\N{NO-BREAK SPACE}"
NONE_BEFORE: Final = "none before"
LEAST_COMPARED: Final = 20
"""Of fewer no percentage is told: one clip more is no trend."""
_UNITS: Final = ((1, "s", 120.0), (60, "min", 7200.0), (3600, "h", 2 * 86400.0), (86400, "days", math.inf))
"""Seconds in each unit, its name, and the seconds below which times are told in it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure, with its course where it is of a span."""

    title: str
    value: str
    note: str = ""
    address: str = ""
    asks: str = ""
    """The permission without which ``address`` leads nowhere."""
    course: Sequence[float | None] = ()
    """One value for each part of the span; empty where it is known for now alone."""


def plot(
    title: str,
    series: Any,
    *,
    unit: str = "",
    kind: str = "columns",
    most: int = 0,
    links: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what a template's ``plot`` needs, as JSON can hold it. ``kind``: ``columns``, ``level`` or ``lines``."""
    return {"title": title, "series": series, "unit": unit, "kind": kind, "most": most, "links": links or {}}


def in_one_unit(series: Mapping[str, Sequence[float | None]]) -> tuple[dict[str, list[float | None]], str]:
    """Return ``series``, which are in seconds, in the unit in which people read their largest figure, and that unit."""
    largest = max((value for values in series.values() for value in values if value is not None), default=0.0)
    size, unit = next((size, unit) for size, unit, until in _UNITS if largest < until)
    return {
        name: [None if value is None else value / size for value in values] for name, values in series.items()
    }, unit


def was(now: float, before: float, *, of: int | None = None) -> str:
    """What a figure was in the span before, with the change where it rests on enough.

    ``of`` is how many things the figure before rests on: itself, where it counts them.
    """
    said = f"{before:,.0f}"
    if not before or (before if of is None else of) < LEAST_COMPARED:
        return f"was {said}"
    return f"{_signed(100 * (now - before) / before, 0)}{_SPACE}%, was {said}"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def was_share(now: float | None, before: float | None, *, of: int) -> str:
    """What a share of so many was in the span before, and by how many points it went up or down where it rests on
    enough; of few it says how many they were."""
    if before is None:
        return NONE_BEFORE
    if of < LEAST_COMPARED:
        return f"was {round(before * of)} of {of}"
    change = "" if now is None else f"{_signed(100 * (now - before), 1)} points, "
    return f"{change}was {percent(before)}"


def was_pair(before: tuple[float, float] | None) -> str:
    return NONE_BEFORE if before is None else f"was {pair(before)}"


def percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f}{_SPACE}%"


def pair(seconds: tuple[float, float] | None) -> str:
    """Return p50 and p90 in words: "4.5 / 6.5 s", "50 s / 3 min"."""
    if seconds is None:
        return UNKNOWN
    first, last = (duration(each) for each in seconds)
    number, unit = first.split(_SPACE)
    return f"{number if last.endswith(f'{_SPACE}{unit}') else first} / {last}"


def duration(seconds: float) -> str:
    """Return how long it is: "7.0 s", "46 min", "5 h", "3 days"."""
    if seconds < 10:
        return f"{seconds:.1f}{_SPACE}s"
    size, name = next((size, name) for size, name, until in _UNITS if seconds < until)
    return f"{seconds / size:.0f}{_SPACE}{name}"
