"""Plots: round scales, moments that people say, and nothing hidden by a small peak, a lone figure or none at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.template.loader import render_to_string

from loremotion import plots

BEGIN = datetime(2026, 11, 29, 9, 18, tzinfo=UTC)


def edges(count: int, each: timedelta) -> list[datetime]:
    return [BEGIN + at * each for at in range(count)]


HOURS = edges(24, timedelta(hours=1))


def drawn(shown: dict[str, Any]) -> str:
    return render_to_string("admin/plot.html", shown)


@pytest.mark.parametrize(
    ("peak", "top", "half"), [(1, "4", "2"), (3, "4", "2"), (5, "6", "3"), (17, "20", "10"), (101, "150", "75")]
)
def test_a_count_stands_below_a_round_top_whose_half_is_whole(peak: int, top: str, half: str) -> None:
    shown = plots.plot("Clips", {"made": [peak, *[0] * 23]}, HOURS)
    assert (shown["most"], shown["top"], shown["half"]) == (str(peak), top, half)
    (part,) = shown["columns"][0].parts
    assert part.height == pytest.approx(plots.HEIGHT * peak / int(top))


@pytest.mark.parametrize(
    ("count", "each", "every", "ticks"),
    [
        (30, timedelta(minutes=2), "2\N{NO-BREAK SPACE}min", ["09:20", "09:30", "09:40", "09:50", "10:00"]),
        (24, timedelta(hours=1), "hour", ["12:00", "18:00", "00:00"]),
        (28, timedelta(hours=6), "6\N{NO-BREAK SPACE}h", ["1 Dec", "3 Dec", "5 Dec"]),
        (30, timedelta(days=1), "day", ["4 Dec", "9 Dec", "14 Dec", "19 Dec", "24 Dec"]),
    ],
)
def test_under_a_plot_stand_round_moments(count: int, each: timedelta, every: str, ticks: list[str]) -> None:
    shown = plots.plot("Clips", {"made": [1] * count}, edges(count, each))
    assert shown["span"] == f"per {every}"
    assert [tick.text for tick in shown["ticks"]] == ticks
    assert all(0 <= tick.x < 84 for tick in shown["ticks"])


@pytest.mark.parametrize(
    ("days", "end", "ticks"),
    [
        (30, "30 Nov", ["1 Nov", "6 Nov", "11 Nov", "16 Nov", "21 Nov"]),
        (30, plots.NOW, ["1 Nov", "6 Nov", "11 Nov", "16 Nov", "21 Nov", "26 Nov"]),
        (365, "31 Oct", ["1 Nov", "31 Dec", "1 Mar", "30 Apr", "29 Jun"]),
    ],
)
def test_on_a_phone_moments_do_not_touch_each_other_or_the_end(days: int, end: str, ticks: list[str]) -> None:
    midnights = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=at) for at in range(days)]
    shown = plots.plot("Clips", {"made": [1] * days}, midnights, end=end)
    assert [tick.text for tick in shown["ticks"]] == ticks
    letter, phone = 6.5, 284.0  # px
    spans = [(phone * tick.x / 100, letter * len(tick.text)) for tick in shown["ticks"]]
    lefts = [x - width / 2 for x, width in spans[1:]] + [phone - letter * len(end)]
    assert all(left - (x + width / 2) >= 4 for (x, width), left in zip(spans, lefts, strict=True))


def test_of_a_level_no_rate_is_told() -> None:
    assert plots.plot("Waiting", {"waiting": [1] * 24}, HOURS, is_level=True)["span"] == "at the end of every hour"


def test_a_lone_figure_is_seen() -> None:
    shown = plots.line_plot("Wait", {"p50": [None] * 11 + [7.0] + [None] * 12}, HOURS, "s")
    (run,) = shown["lines"][0].runs
    (left, _), (right, _) = (map(float, point.split(",")) for point in run.split(" "))
    assert right - left == pytest.approx(plots.WIDTH / 24)
    assert not shown["is_empty"]


def test_a_measure_of_nothing_is_a_figure_and_a_count_of_none_is_not() -> None:
    assert not plots.line_plot("GPU busy", {"busy": [0.0] * 24}, HOURS, "%", 100)["is_empty"]
    empty = plots.plot("Clips", {"failed": [0] * 24}, HOURS)
    assert empty["is_empty"]
    assert "none in this range" in drawn(empty)
    assert "none in this range" in drawn(plots.plot("Clips", {}, HOURS))


def test_where_two_lines_are_equal_the_dashed_one_is_on_top() -> None:
    shown = plots.line_plot("Wait", {"p50": [1.0] * 24, "p90": [1.0] * 24}, HOURS, "s")
    assert [line.is_dashed for line in shown["lines"]] == [False, True]


def test_a_name_leads_to_what_was_counted() -> None:
    page = drawn(plots.plot("Failed", {"timeout": [2] * 24, "unknown": [1] * 24}, HOURS, links={"timeout": "/list/"}))
    assert '<a href="/list/">timeout 48</a>' in page
    assert "unknown 24</li>" in page


def test_each_column_says_what_it_holds_to_whoever_points_at_it_and_in_the_table() -> None:
    page = drawn(plots.plot("Made", {"toy": [3, *[0] * 23], "wan": [1, *[0] * 23]}, HOURS, is_going_on=True))
    readouts = page.split('class="readouts"')[1].split("</ol>")[0]
    assert readouts.count("<li>") == 24
    assert "29 Nov, 09:18: <strong>toy 3, wan 1</strong>" in readouts
    assert "30 Nov, 08:18, so far: <strong>none</strong>" in readouts
    assert '<td>29 Nov, 09:18</td><td class="figure">3</td><td class="figure">1</td>' in page


def test_a_column_that_is_not_over_is_told_apart() -> None:
    page = drawn(plots.plot("Made", {"toy": [3] * 24}, HOURS, is_going_on=True))
    assert page.count(" going-on") == 1
    assert " going-on" not in drawn(plots.plot("Made", {"toy": [3] * 24}, HOURS))
