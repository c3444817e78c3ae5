"""Plots drawn by the server as SVG: no script, no style of their own, a table beneath for whoever sees no picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import slugify

register = template.Library()

WIDTH: Final = 480
HEIGHT: Final = 96
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 24
COLOURS: Final = 8
_GAP: Final = 1.5
_TOPS: Final = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
"""Where a scale ends, times a power of ten: half of each is a figure that people read at once."""
LEAST_TOP: Final = 4
"""Of what is counted: one clip an hour does not fill the plot."""
_TICKS: Final = tuple(
    [timedelta(minutes=each) for each in (5, 10, 15, 30)]
    + [timedelta(hours=each) for each in (1, 3, 6, 12)]
    + [timedelta(days=each) for each in (1, 2, 5, 7, 14, 30)]
)
_MOST_TICKS: Final = 6
NOW: Final = "now"
_LETTER: Final = 2.4
_BETWEEN: Final = 1.5
"""What a letter under a plot takes, and what is free between two labels, in percent of the width on a phone: 284 px."""

Value = float | None


@dataclass(frozen=True, slots=True)
class Part:
    """One rectangle of a column."""

    x: float
    y: float
    width: float
    height: float
    colour: int


@dataclass(frozen=True, slots=True)
class Line:
    """One series as the points of its polylines: it breaks where nothing is known."""

    colour: int
    runs: tuple[str, ...]
    is_dashed: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One span of time: its rectangles from the ground up, and what they say."""

    x: float
    width: float
    moment: str
    said: str
    parts: tuple[Part, ...]
    values: tuple[str, ...]
    is_going_on: bool = False
    """Whether it is not over, so that its counts are no fall."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment under the plot, at so many percent of its width."""

    x: float
    text: str


@register.inclusion_tag("admin/plot.html")
def plot(
    title: str,
    series: Mapping[str, Sequence[int]],
    edges: Sequence[datetime],
    unit: str = "",
    links: Mapping[str, str] | None = None,
    *,
    is_level: bool = False,
    is_going_on: bool = False,
    end: str = NOW,
) -> dict[str, Any]:
    """Columns of the stacked ``series``, name → a count for each of ``edges``, the largest series at the bottom.

    ``links`` leads from a name to what was counted. Of a level, as that of a queue, no sum is told. ``is_going_on``
    says that the last column is not over, and ``end`` until when the plot goes.
    """
    names = sorted(series, key=lambda name: -sum(series[name]))
    most = max((sum(values) for values in zip(*series.values(), strict=True)), default=0)
    top = top_of(max(most, LEAST_TOP), is_counted=True)
    columns = [
        _column(at, edge, names, series, len(edges), unit, parts=stack(at, names, series, top, len(edges)))
        for at, edge in enumerate(edges)
    ]
    if is_going_on and columns:
        columns[-1] = replace(columns[-1], is_going_on=True)
    totals = [
        {"name": name, "colour": at % COLOURS, "total": sum(series[name]), "address": (links or {}).get(name, "")}
        for at, name in enumerate(names)
    ]
    every = _every(edges)
    span = f"at the end of every {every}" if is_level else f"per {every}"
    return {"totals": totals, **_frame(title, names, columns, edges, most, top, unit, span, end)}


@register.inclusion_tag("admin/plot.html")
def line_plot(
    title: str,
    series: Mapping[str, Sequence[Value]],
    edges: Sequence[datetime],
    unit: str = "",
    most: float = 0,
    *,
    end: str = NOW,
) -> dict[str, Any]:
    """A line for each of ``series``, name → a figure for each of ``edges``, None where none is known.

    ``most`` is the top of the plot; 0: above the largest figure.
    """
    names = list(series)
    largest = max((value for values in series.values() for value in values if value is not None), default=0.0)
    top = most or top_of(largest)
    columns = [_column(at, edge, names, series, len(edges), unit, parts=()) for at, edge in enumerate(edges)]
    # All but the last are dashed, so that colour is not all that tells them apart.
    lines = [
        Line(at % COLOURS, _runs(series[name], top, WIDTH, HEIGHT), is_dashed=at < len(names) - 1)
        for at, name in enumerate(names)
    ]
    totals = [
        {"name": name, "colour": line.colour, "total": None, "is_dashed": line.is_dashed}
        for name, line in zip(names, lines, strict=True)
    ]
    # The first, which is dashed, is drawn over the others: where they are equal, both are seen.
    lines.reverse()
    return {
        "lines": lines,
        "totals": totals,
        **_frame(title, names, columns, edges, largest, top, unit, f"every {_every(edges)}", end),
    }


@register.inclusion_tag("admin/sparkline.html")
def sparkline(values: Sequence[Value]) -> dict[str, Any]:
    """A small line without axes, for how a figure went: what it says stands beside it."""
    top = max((value for value in values if value is not None), default=0.0)
    return {"runs": _runs(values, top, SPARK_WIDTH, SPARK_HEIGHT), "width": SPARK_WIDTH, "height": SPARK_HEIGHT}


def _frame(
    title: str,
    names: Sequence[str],
    columns: Sequence[Column],
    edges: Sequence[datetime],
    most: float,
    top: float,
    unit: str,
    span: str,
    end: str,
) -> dict[str, Any]:
    return {
        "title": title,
        "end": end,
        "width": WIDTH,
        "height": HEIGHT,
        "columns": columns,
        "names": names,
        "most": _value_text(most, unit),
        "top": _value_text(top, unit),
        "half": _value_text(top / 2, unit),
        "span": span,
        "is_empty": not any(column.said for column in columns),
        "id": slugify(title),
        "ticks": _ticks(edges, end),
        "begins": columns[0].moment if columns else "",
        "rows": [column for column in columns if column.said],
    }


def top_of(most: float, *, is_counted: bool = False) -> float:
    """Return the round figure at which a scale ends that reaches to ``most``; half of it is whole where it counts."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    tops = (each * power for each in _TOPS)
    return next(top for top in tops if top >= most * (1 - 1e-9) and not (is_counted and top % 2))


def _step(edges: Sequence[datetime]) -> timedelta:
    return edges[1] - edges[0] if len(edges) > 1 else timedelta()


def _every(edges: Sequence[datetime]) -> str:
    """Return how long each part of the plot is: "2 min", "hour", "6 h", "day"."""
    minutes = round(_step(edges) / timedelta(minutes=1))
    for size, one, many in ((1440, "day", "days"), (60, "hour", "h"), (1, "minute", "min")):
        if minutes and minutes % size == 0:
            return one if minutes == size else f"{minutes // size}\N{NO-BREAK SPACE}{many}"
    return f"{minutes}\N{NO-BREAK SPACE}min"


def _ticks(edges: Sequence[datetime], end: str) -> list[Tick]:
    """Round moments within the plot, of hours within two days, else of dates; none that touches another, or ``end``."""
    if not edges:
        return []
    since, length = timezone.localtime(edges[0]), _step(edges) * len(edges)
    step = next((each for each in _TICKS if length <= _MOST_TICKS * each), _TICKS[-1])
    form = "H:i" if step < timedelta(days=1) else "j M"
    at = since.replace(hour=0, minute=0, second=0, microsecond=0)
    found, free_from, free_until = [], -math.inf, 100 - _LETTER * len(end) - _BETWEEN
    while length and (x := 100 * (at - since) / length) < free_until:
        text = date_format(at, form)
        half = _LETTER * len(text) / 2
        if x >= 0 and x - half >= free_from and x + half <= free_until:
            found.append(Tick(x, text))
            free_from = x + half + _BETWEEN
        at += step
    return found


def _column(
    at: int,
    edge: datetime,
    names: Sequence[str],
    series: Mapping[str, Sequence[Value]],
    count: int,
    unit: str,
    parts: tuple[Part, ...],
) -> Column:
    values = [series[name][at] for name in names]
    # Nothing is told of a count of none. A measure is a float, and 0.0 one like any other.
    told = [(name, value) for name, value in zip(names, values, strict=True) if value or isinstance(value, float)]
    said = ", ".join(f"{name} {_value_text(value, unit)}" for name, value in told)
    shown = tuple(_value_text(value, unit) for value in values)
    return Column(at * WIDTH / count, WIDTH / count, date_format(edge, "j M, H:i"), said, parts, shown)


def stack(
    at: int, names: Sequence[str], series: Mapping[str, Sequence[int]], most: float, count: int
) -> tuple[Part, ...]:
    """Return the rectangles of the column ``at`` of ``count``, the first of ``names`` at the bottom."""
    parts, top, width = [], float(HEIGHT), WIDTH / count
    for number, name in enumerate(names):
        if value := series[name][at]:
            height = HEIGHT * value / most
            top -= height
            parts.append(Part(at * width, top, width - _GAP, height, number % COLOURS))
    return tuple(parts)


def _runs(values: Sequence[Value], top: float, width: int, height: int) -> tuple[str, ...]:
    """The points of each unbroken run; a lone figure is a short level line, so that it is seen."""
    step = width / max(len(values), 1)
    runs = []
    for run in _unbroken(values):
        points = [((at + 0.5) * step, height - 1 - (height - 3) * (value / top if top else 0.0)) for at, value in run]
        if len(points) == 1:
            (x, y), half = points[0], step / 2
            points = [(x - half, y), (x + half, y)]
        runs.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
    return tuple(runs)


def _unbroken(values: Sequence[Value]) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for at, value in enumerate(values):
        if value is not None:
            run.append((at, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _value_text(value: Value, unit: str) -> str:
    """A figure as people read it: whole where it is a count, one digit after the point where it is small."""
    if value is None:
        return "\N{EN DASH}"
    number = f"{value:,.1f}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}"
    number = number.removesuffix(".0")
    return f"{number}\N{NO-BREAK SPACE}{unit}" if unit else number
