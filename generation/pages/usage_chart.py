"""What was spent day by day, stacked by model, key or member, for the page to draw as SVG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from generation.usage import Line, Span, Usage
from loremotion.plots import COLOURS, HEIGHT, LEAST_TOP, WIDTH, Part, Tick, stack, top_of

MOST_TICKS: Final = 5
"""As many dates as a phone has room for."""
_OTHERS: Final = "others…"
"""No model, key or member is called so."""


@dataclass(frozen=True, slots=True)
class Series:
    """One model, key or member, or all the smaller ones together. ``name`` is as people call it."""

    name: str
    colour: int
    credits: int


@dataclass(frozen=True, slots=True)
class Day:
    """A day's rectangles, and what they say: ``figures`` are in the order of the series."""

    name: str
    credits: int
    said: str
    parts: tuple[Part, ...]
    figures: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Days of a span beside each other, ``width`` × ``height`` units large in all, up to ``top`` credits high."""

    series: tuple[Series, ...]
    days: tuple[Day, ...]
    top: int
    ticks: tuple[Tick, ...]
    colours: Mapping[str, int]
    """Which colour each model, key or member has, by what ``Line.of`` calls it; ``""`` is who has none."""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def half(self) -> int:
        return self.top // 2


def chart_of(by_day: Usage, group: str) -> Chart:
    """The chart of what is told apart ``by`` day and ``group``; by day alone where ``group`` is not in it.

    Those that spent most have a colour each; the others share one, at the top.
    """
    amounts: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    names: dict[str, str] = {}
    for line in by_day.lines:
        key = line.of.get(group) or ""
        names[key] = name_of(line, group)
        amounts[key][date.fromisoformat(str(line.of["day"]))] += line.spent.counted
    ranked = sorted(amounts, key=lambda key: (-sum(amounts[key].values()), names[key]))
    own = ranked if len(ranked) <= COLOURS else ranked[: COLOURS - 1]
    days = _days(by_day.span)
    series = {key: [amounts[key][day] for day in days] for key in own}
    if rest := ranked[len(own) :]:
        series[_OTHERS] = [sum(amounts[key][day] for key in rest) for day in days]
        names[_OTHERS] = _("Others")
    top = int(top_of(max((*map(sum, zip(*series.values(), strict=True)), LEAST_TOP)), is_counted=True))
    return Chart(
        series=tuple(Series(names[key], at, sum(figures)) for at, (key, figures) in enumerate(series.items())),
        days=tuple(_day(at, day, names, series, top, len(days)) for at, day in enumerate(days)),
        top=top,
        ticks=_ticks(days),
        colours={key: min(at, len(own)) for at, key in enumerate(ranked)},
    )


def name_of(line: Line, group: str) -> str:
    """What people call the model, key or member that a line is about."""
    if line.of.get(group):
        return {"key": line.key_name, "model": line.model_name}.get(group) or str(line.of[group])
    return {"key": _("Made on a page"), "member": _("No member"), "model": _("No model")}.get(group, _("Credits"))


def _days(span: Span) -> list[date]:
    return [span.since + timedelta(days=number) for number in range((span.until - span.since).days + 1)]


def _day(at: int, day: date, names: Mapping[str, str], series: Mapping[str, list[int]], top: int, count: int) -> Day:
    figures = tuple(values[at] for values in series.values())
    told = [f"{names[key]} {intcomma(figure)}" for key, figure in zip(series, figures, strict=True) if figure]
    said = ", ".join(told)
    return Day(_short(day), sum(figures), said, stack(at, list(series), series, top, count), figures)


def _ticks(days: list[date]) -> tuple[Tick, ...]:
    """Dates under the middles of their columns: the last, and back from there as many as there is room for."""
    step = -(-len(days) // MOST_TICKS)
    places = range(len(days) - 1, -1, -step)
    return tuple(Tick(100 * (at + 0.5) / len(days), _short(days[at])) for at in reversed(places))


def _short(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")
