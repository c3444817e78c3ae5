"""Plots drawn by the server as SVG: no script, no style of their own, a table beneath for whoever sees no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import template
from django.utils.formats import date_format

register = template.Library()

WIDTH: Final = 480
HEIGHT: Final = 96
COLOURS: Final = 8
_GAP: Final = 1.5


@dataclass(frozen=True, slots=True)
class Part:
    """One rectangle of a column."""

    x: float
    y: float
    width: float
    height: float
    colour: int


@dataclass(frozen=True, slots=True)
class Column:
    """One span of time: its rectangles from the ground up, and what they say."""

    x: float
    width: float
    moment: str
    said: str
    parts: tuple[Part, ...]
    values: tuple[int, ...]


@register.inclusion_tag("admin/plot.html")
def plot(title: str, series: Mapping[str, Sequence[int]], edges: Sequence[datetime]) -> dict[str, Any]:
    """Columns of the stacked ``series``, name → a count for each of ``edges``, the largest series at the bottom."""
    names = sorted(series, key=lambda name: -sum(series[name]))
    most = max((sum(values) for values in zip(*series.values(), strict=True)), default=0)
    columns = [_column(at, edge, names, series, most, len(edges)) for at, edge in enumerate(edges)]
    totals = [{"name": name, "colour": at % COLOURS, "total": sum(series[name])} for at, name in enumerate(names)]
    return {
        "title": title,
        "width": WIDTH,
        "height": HEIGHT,
        "columns": columns,
        "names": names,
        "totals": totals,
        "most": most,
        "rows": [column for column in columns if any(column.values)],
    }


def _column(
    at: int, edge: datetime, names: Sequence[str], series: Mapping[str, Sequence[int]], most: int, count: int
) -> Column:
    width = WIDTH / count
    values = tuple(series[name][at] for name in names)
    parts, top = [], float(HEIGHT)
    for number, value in enumerate(values):
        if value:
            height = HEIGHT * value / most
            top -= height
            parts.append(Part(at * width, top, width - _GAP, height, number % COLOURS))
    said = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True) if value)
    return Column(at * width, width, date_format(edge, "j M, H:i"), said or "none", tuple(parts), values)
