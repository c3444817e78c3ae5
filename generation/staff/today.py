"""What the admin's first page shows: what waits for staff, how the site stands, and how it did over a span of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.models import PermissionsMixin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.shop import revenue
from billing.shop.money import decimals_of, format_amount
from catalog.models import Model
from generation import figures
from generation.figures import Span
from generation.scheduling import fleet_samples
from generation.staff import money_ranges, needs
from generation.staff import now as standing_now
from generation.staff.tiles import LEAST_COMPARED, Tile, in_one_unit, pair, percent, plot, was, was_pair, was_share
from loremotion.read_through import get_or_make
from loremotion.staff_words import as_words

FIRST_RANGE: Final = "24h"
NOW_KEPT_SECONDS: Final = 5
_CLIPS, _MONEY = "generation.view_generation", "shop.view_revenue"


@dataclass(frozen=True, slots=True)
class Range:
    """A span to look at, and for how long its figures are shown again before they are counted anew."""

    name: str
    title: str
    before: str
    """What its figures are compared with."""
    length: timedelta
    parts: int
    """In which its course is told: each of a length that people say, and wide enough to be seen."""
    kept_seconds: int
    when: str
    """The same span in the list of clips; empty where the list shows it unasked."""
    is_refreshed: bool = False

    @property
    def span(self) -> Span:
        """All of it, until now: what its totals are of."""
        return Span.last(self.length, self.parts)

    @property
    def plotted(self) -> Span:
        """The same from a round moment on, so that each part of a plot is an hour or a day that people know."""
        return Span.aligned(self.length, self.parts)


RANGES: Final = {
    "1h": Range("1h", "Last hour", "the hour before", timedelta(hours=1), 30, 5, "hour", is_refreshed=True),
    "24h": Range("24h", "Last 24 hours", "the day before", timedelta(hours=24), 24, 20, "day", is_refreshed=True),
    "7d": Range("7d", "Last 7 days", "the week before", timedelta(days=7), 28, 120, "week"),
    "30d": Range("30d", "Last 30 days", "the 30 days before", timedelta(days=30), 30, 600, ""),
}


def figures_of(request: HttpRequest) -> dict[str, Any]:
    """Return tiles, plots and what waits, of what whoever looks may see, over the range that ``?range=`` names."""
    user = request.user
    if not isinstance(user, PermissionsMixin):
        return {}
    chosen = request.GET.get("range", FIRST_RANGE)
    chosen = chosen if chosen in RANGES else FIRST_RANGE
    if not user.get_all_permissions():
        return {"has_no_role": True}
    found = needs.of(user)
    shown: dict[str, Any] = {"needs": found, "waiting": needs.total(found)}
    parts = [part for part in _PARTS if user.has_perm(part.permission)]
    if parts:
        counted = [_count_once(part, chosen) for part in parts]
        shown |= {
            "ranges": [
                {"name": name, "title": each.title, "is_chosen": name == chosen} for name, each in RANGES.items()
            ],
            "range": RANGES[chosen],
            "now": _reachable(user, [tile for part in parts for tile in _now_once(part)]),
            "tiles": _reachable(user, [tile for each in counted for tile in each["tiles"]]),
            "plots": [each for one in counted for each in one["plots"]],
            "edges": [datetime.fromisoformat(edge) for edge in counted[0]["edges"]],
        }
    return shown


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    permission: str
    now: Callable[[], list[Tile]]
    count: Callable[[Range], dict[str, Any]]


def _count_once(part: _Part, chosen: str) -> dict[str, Any]:
    """What the part finds for the range, counted once in a while however many look: a month's rows are many."""
    shown = RANGES[chosen]
    return get_or_make(
        f"admin-today:{part.name}:{chosen}",
        lambda: part.count(shown),
        seconds=shown.kept_seconds,
    )


def _now_once(part: _Part) -> list[dict[str, Any]]:
    """How things stand, whatever range is looked at."""
    return get_or_make(
        f"admin-now:{part.name}", lambda: [asdict(tile) for tile in part.now()], seconds=NOW_KEPT_SECONDS
    )


def _reachable(user: PermissionsMixin, tiles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``tiles`` without the addresses at which this member of staff would be turned away."""
    return [tile if not tile["asks"] or user.has_perm(tile["asks"]) else {**tile, "address": ""} for tile in tiles]


# --- clips and GPUs --------------------------------------------------------------------------------------------------


def _clips(shown: Range) -> dict[str, Any]:
    """Tiles and plots of the span that ends now, as JSON can hold them."""
    waiting, span = standing_now.open_clips().waiting, shown.plotted
    course, times = figures.course_of(span, waiting_now=waiting), figures.times_of(span)
    busy = fleet_samples.busy_by_part(span.since, span.until, parts=span.parts)
    shares = [None if share is None else 100 * share for share in busy]
    names = _names_of(course.made)
    waits, wait_unit = in_one_unit({"p50": times.wait_p50, "p90": times.wait_p90})
    longest, longest_unit = in_one_unit({"longest": figures.longest_waits_of(span)})
    renders, render_unit = in_one_unit({"p50": times.render_p50, "p90": times.render_p90})
    return {
        "tiles": [asdict(tile) for tile in _clip_tiles(shown, times, shares)],
        "edges": [edge.isoformat() for edge in span.edges],
        "plots": [
            plot("Clips waiting", {"waiting": course.waiting}, kind="level"),
            plot(
                "Clips made, by model",
                {names[slug]: made for slug, made in course.made.items()},
                links={names[slug]: _list_of(shown, state__exact="succeeded", model=slug) for slug in course.made},
            ),
            plot("Wait of clips that began", waits, unit=wait_unit, kind="lines"),
            plot("Longest still waiting", longest, unit=longest_unit, kind="lines"),
            plot("Render", renders, unit=render_unit, kind="lines"),
            plot(
                "Clips that failed, by error",
                {as_words(code): failed for code, failed in course.failed.items()},
                links={
                    as_words(code): _list_of(shown, error_code__exact=code)
                    for code in course.failed
                    if code != "unknown"
                },
            ),
            plot("GPU busy", {"busy": shares}, unit="%", kind="lines", most=100),
            plot("Credits charged", {"credits": times.credits}),
        ],
    }


def _names_of(made: Mapping[str, list[int]]) -> dict[str, str]:
    """Slug → the model's name; two of the same name keep their slugs."""
    names = dict(Model.objects.filter(slug__in=made).values_list("slug", "name"))
    taken = Counter(names.values())
    return {slug: names[slug] if taken[names.get(slug, "")] == 1 else slug for slug in made}


def _list_of(shown: Range, **filters: str) -> str:
    """The list of the clips behind a figure."""
    asked = {**filters, **({"when": shown.when} if shown.when else {})}
    return f"{reverse('admin:generation_generation_changelist')}?{urlencode(asked)}"


def _clip_tiles(shown: Range, times: figures.Times, busy: Sequence[float | None]) -> list[Tile]:
    span = shown.span
    totals, before = figures.totals_of(span), figures.totals_of(span.before)
    share, share_before = (fleet_samples.busy_share(each.since, each.until) for each in (span, span.before))
    made, every = _list_of(shown, state__exact="succeeded"), _list_of(shown)
    return [
        Tile("Clips made", f"{totals.made:,}", was(totals.made, before.made), made, course=_over(times.made)),
        Tile(
            *(
                "Success",
                percent(totals.success),
                was_share(totals.success, before.success, of=before.made + before.failed),
            ),
            _list_of(shown, trouble="error"),
            course=times.success,
        ),
        Tile(
            *("Wait p50 / p90", pair(totals.wait_seconds), was_pair(before.wait_seconds), every),
            course=times.wait_p50,
        ),
        Tile(
            *("Render p50 / p90", pair(totals.render_seconds), was_pair(before.render_seconds), made),
            course=times.render_p50,
        ),
        Tile(
            *("GPU busy", percent(share), was_share(share, share_before, of=LEAST_COMPARED)),
            *(reverse("admin:generation_fleet"), "generation.view_fleet"),
            course=busy,
        ),
        Tile(
            "Credits charged",
            f"{totals.credits:,}",
            was(totals.credits, before.credits, of=before.made),
            made,
            course=_over(times.credits),
        ),
    ]


def _over(counts: Sequence[int]) -> Sequence[int]:
    """Of the parts of a span, those that are over: what the last one counts so far would look like a fall."""
    return counts[:-1]


# --- money -----------------------------------------------------------------------------------------------------------


def _money(shown: Range) -> dict[str, Any]:
    """What was paid by currency: the gross of the page of money, over the days that it shows under the same name.

    An hour is too short for that page: its gross is that of the payments in their list.
    """
    plotted, now = shown.plotted, timezone.now()
    course = revenue.takings(since=plotted.since, until=plotted.until, parts=plotted.parts)
    span = shown.span
    spans = ((span.since, span.until), (span.before.since, span.before.until))
    page, asks = f"{reverse('admin:shop_payment_changelist')}?when={shown.when}", "shop.view_payment"
    if shown.name in money_ranges.NAMED:
        same = money_ranges.named_range(shown.name, now)
        spans = ((same.since, same.until), same.before)
        page, asks = f"{reverse('admin:money')}?range={shown.name}", ""
    paid, paid_before = (revenue.takings(since=since, until=until) for since, until in spans)
    none = revenue.Takings.none(1)
    tiles = [
        Tile(
            f"Gross, {currency.upper()}",
            format_amount(each.paid[0], currency),
            f"was {format_amount(paid_before.get(currency, none).paid[0], currency)}",
            page,
            asks,
            course=_over(course[currency].paid if currency in course else []),
        )
        for currency, each in sorted(paid.items())
    ]
    return {
        "tiles": [asdict(tile) for tile in tiles or [Tile("Gross", "none", address=page, asks=asks)]],
        "edges": [edge.isoformat() for edge in plotted.edges],
        "plots": [
            plot(f"Gross in {currency.upper()}", {"paid": _whole(each.paid, currency)})
            for currency, each in sorted(course.items())
        ],
    }


def _whole(parts: Sequence[int], currency: str) -> list[int]:
    """In whole units of the currency, which is as fine as a plot shows; what went back makes no column."""
    unit = 10 ** decimals_of(currency)
    return [max(0, round(amount / unit)) for amount in parts]


_PARTS: Final = (
    _Part("clips", _CLIPS, standing_now.of_clips, _clips),
    _Part("money", _MONEY, standing_now.of_money, _money),
)
