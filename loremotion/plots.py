"""Plots drawn by the server as SVG: no script, no style of their own, a table beneath for whoever sees no picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django import template
from django.utils.formats import date_format
from django.utils.text import slugify

register = template.Library()

WIDTH: Final = 480
HEIGHT: Final = 96
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 24
COLOURS: Final = 8
_GAP: Final = 1.5

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


@register.inclusion_tag("admin/plot.html")
def plot(title: str, series: Mapping[str, Sequence[int]], edges: Sequence[datetime], unit: str = "") -> dict[str, Any]:
    """Columns of the stacked ``series``, name → a count for each of ``edges``, the largest series at the bottom."""
    names = sorted(series, key=lambda name: -sum(series[name]))
    most = max((sum(values) for values in zip(*series.values(), strict=True)), default=0)
    columns = [
        _column(at, edge, names, series, len(edges), unit, parts=_stacked(at, names, series, most, len(edges)))
        for at, edge in enumerate(edges)
    ]
    totals = [{"name": name, "colour": at % COLOURS, "total": sum(series[name])} for at, name in enumerate(names)]
    return {"totals": totals, **_frame(title, names, columns, edges, most, unit)}


@register.inclusion_tag("admin/plot.html")
def line_plot(
    title: str, series: Mapping[str, Sequence[Value]], edges: Sequence[datetime], unit: str = "", most: float = 0
) -> dict[str, Any]:
    """A line for each of ``series``, name → a figure for each of ``edges``, None where none is known.

    ``most`` is the top of the plot; 0: the largest figure.
    """
    names = list(series)
    top = most or max((value for values in series.values() for value in values if value is not None), default=0.0)
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
    return {"lines": lines, "totals": totals, **_frame(title, names, columns, edges, top, unit)}


@register.inclusion_tag("admin/sparkline.html")
def sparkline(values: Sequence[Value]) -> dict[str, Any]:
    """A small line without axes, for how a figure went: what it says stands beside it."""
    top = max((value for value in values if value is not None), default=0.0)
    return {"runs": _runs(values, top, SPARK_WIDTH, SPARK_HEIGHT), "width": SPARK_WIDTH, "height": SPARK_HEIGHT}


def _frame(
    title: str, names: Sequence[str], columns: Sequence[Column], edges: Sequence[datetime], most: float, unit: str
) -> dict[str, Any]:
    return {
        "title": title,
        "width": WIDTH,
        "height": HEIGHT,
        "columns": columns,
        "names": names,
        "most": _value_text(most, unit),
        "half": _value_text(most / 2, unit) if isinstance(most, float) or most % 2 == 0 else "",
        "is_empty": not any(column.said for column in columns),
        "id": slugify(title),
        "ticks": _ticks(edges),
        "rows": [column for column in columns if column.said],
    }


def _ticks(edges: Sequence[datetime]) -> list[str]:
    """When the plot begins and each further quarter of it: hours within two days, else dates."""
    if not edges:
        return []
    form = "H:i" if edges[-1] - edges[0] <= timedelta(days=2) else "j M"
    return [date_format(edges[len(edges) * quarter // 4], form) for quarter in range(4)]


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
    said = ", ".join(f"{name} {_value_text(value, unit)}" for name, value in zip(names, values, strict=True) if value)
    shown = tuple(_value_text(value, unit) for value in values)
    return Column(at * WIDTH / count, WIDTH / count, date_format(edge, "j M, H:i"), said, parts, shown)


def _stacked(
    at: int, names: Sequence[str], series: Mapping[str, Sequence[int]], most: int, count: int
) -> tuple[Part, ...]:
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
