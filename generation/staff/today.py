"""What the admin's first page shows: how the site does over a span of time, in tiles and plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from django.contrib.auth.models import PermissionsMixin
from django.http import HttpRequest
from django.urls import reverse

from billing import free_gpu_budget
from billing.shop import revenue
from billing.shop.money import decimals_of, formatted
from catalog.models import Model
from generation import figures
from generation.figures import BUCKETS, Span
from generation.models import Generation, State
from generation.scheduling import capacity, fleet_samples
from generation.staff import needs
from loremotion.read_through import get_or_make

FIRST_RANGE: Final = "24h"
_UNKNOWN: Final = "–"


@dataclass(frozen=True, slots=True)
class Range:
    """A span to look at, and for how long its figures are shown again before they are counted anew."""

    title: str
    before: str
    """What its figures are compared with."""
    length: timedelta
    kept_seconds: int
    is_refreshed: bool = False


RANGES: Final = {
    "1h": Range("Last hour", "the hour before", timedelta(hours=1), 5, is_refreshed=True),
    "24h": Range("Last 24 hours", "the day before", timedelta(hours=24), 20, is_refreshed=True),
    "7d": Range("Last 7 days", "the week before", timedelta(days=7), 120),
    "30d": Range("Last 30 days", "the 30 days before", timedelta(days=30), 600),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its course, and its change against as much time before."""

    title: str
    value: str
    change: str = ""
    address: str = ""
    course: Sequence[float | None] = ()
    """One value for each part of the span; empty where it is known for now alone."""


def figures_of(request: HttpRequest) -> dict[str, Any]:
    """Return tiles, plots and what waits, of what whoever looks may see, over the range that ``?range=`` names."""
    user = request.user
    if not isinstance(user, PermissionsMixin):
        return {}
    chosen = request.GET.get("range", FIRST_RANGE)
    chosen = chosen if chosen in RANGES else FIRST_RANGE
    shown: dict[str, Any] = {"needs": needs.of(user)}
    parts = [
        part
        for permission, part in (("generation.view_generation", _clips), ("shop.view_revenue", _money))
        if user.has_perm(permission)
    ]
    if parts:
        counted = [_count_once(part.__name__, chosen, part) for part in parts]
        shown |= {
            "ranges": [
                {"name": name, "title": each.title, "is_chosen": name == chosen} for name, each in RANGES.items()
            ],
            "before": RANGES[chosen].before,
            "refreshes": RANGES[chosen].is_refreshed,
            "tiles": [tile for each in counted for tile in each["tiles"]],
            "plots": [plot for each in counted for plot in each["plots"]],
            "edges": [datetime.fromisoformat(edge) for edge in counted[0]["edges"]],
        }
    return shown


def _count_once(name: str, chosen: str, count: Callable[[Span], dict[str, Any]]) -> dict[str, Any]:
    """What ``count`` finds for the range, counted once in a while however many look: a month's rows are many."""
    shown = RANGES[chosen]
    return get_or_make(
        f"admin-today:{name}:{chosen}", lambda: count(Span.last(shown.length)), seconds=shown.kept_seconds
    )


# --- clips and GPUs --------------------------------------------------------------------------------------------------


def _clips(span: Span) -> dict[str, Any]:
    """Tiles and plots of the span that ends now, as JSON can hold them."""
    queued = Generation.objects.filter(state=State.QUEUED).count()
    course, times = figures.course_of(span, queued_now=queued), figures.times_of(span)
    busy = fleet_samples.busy_by_part(span.since, span.until, parts=BUCKETS)
    percent = [None if share is None else 100 * share for share in busy]
    return {
        "tiles": [asdict(tile) for tile in _clip_tiles(span, queued, course, times, percent)],
        "edges": [edge.isoformat() for edge in span.edges],
        "plots": [
            _plot("Queue depth", {"waiting": course.queued}),
            _plot("Clips made, by model", _by_name(course.made)),
            _plot("Wait", {"p50": times.wait_p50, "p90": times.wait_p90}, unit="s", kind="lines"),
            _plot("Render", {"p50": times.render_p50, "p90": times.render_p90}, unit="s", kind="lines"),
            _plot("Clips that failed, by error code", course.failed),
            _plot("GPU busy", {"busy": percent}, unit="%", kind="lines", most=100),
            _plot("Credits charged", {"credits": times.credits}),
        ],
    }


def _by_name(made: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """``made`` by the models' names in place of their slugs; two of the same name keep their slugs."""
    names = dict(Model.objects.filter(slug__in=made).values_list("slug", "name"))
    taken = Counter(names.values())
    return {names[slug] if taken[names.get(slug, "")] == 1 else slug: each for slug, each in made.items()}


def _plot(title: str, series: Any, *, unit: str = "", kind: str = "columns", most: int = 0) -> dict[str, Any]:
    return {"title": title, "series": series, "unit": unit, "kind": kind, "most": most}


def _clip_tiles(
    span: Span, queued: int, course: figures.Course, times: figures.Times, busy: Sequence[float | None]
) -> list[Tile]:
    now, before = figures.totals_of(span), figures.totals_of(span.before)
    share, share_before = (fleet_samples.busy_share(each.since, each.until) for each in (span, span.before))
    clips, line = reverse("admin:generation_generation_changelist"), reverse("admin:generation_fleet")
    return [
        Tile(
            "Clips made", f"{now.made:,}", _change(now.made, before.made), f"{clips}?state__exact=succeeded", times.made
        ),
        Tile(
            *("Success", _percent(now.success), _points(now.success, before.success)),
            *(f"{clips}?state__exact=failed", times.success),
        ),
        Tile(
            *("Wait p50 / p90", _seconds(now.wait_seconds), _before(now.wait_seconds, before.wait_seconds)),
            course=times.wait_p50,
        ),
        Tile(
            *("Render p50 / p90", _seconds(now.render_seconds), _before(now.render_seconds, before.render_seconds)),
            course=times.render_p50,
        ),
        Tile("In the queue now", f"{queued:,}", address=f"{clips}?state__exact=queued", course=course.queued),
        Tile("GPU busy", _percent(share), _points(share, share_before), line, busy),
        Tile("GPUs taking clips now", _gpus_on(), address=line),
        Tile("Credits charged", f"{now.credits:,}", _change(now.credits, before.credits), course=times.credits),
    ]


def _change(now: float, before: float) -> str:
    return f"{100 * (now - before) / before:+.0f}\N{NO-BREAK SPACE}%" if before else ""


def _points(now: float | None, before: float | None) -> str:
    return "" if now is None or before is None else f"{100 * (now - before):+.1f} points"


def _before(now: tuple[float, float] | None, before: tuple[float, float] | None) -> str:
    """How much longer, or shorter, half of them waited at most."""
    return "" if now is None or before is None else _change(now[0], before[0])


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _seconds(pair: tuple[float, float] | None) -> str:
    return _UNKNOWN if pair is None else " / ".join(_duration(seconds) for seconds in pair)


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    return f"{seconds:.0f}\N{NO-BREAK SPACE}s" if seconds < 120 else f"{seconds / 60:.0f}\N{NO-BREAK SPACE}min"


def _gpus_on() -> str:
    try:
        return str(len(capacity.taking_budgets()))
    except redis.RedisError:
        return "unknown"


# --- money -----------------------------------------------------------------------------------------------------------


def _money(span: Span) -> dict[str, Any]:
    """Revenue of the span by currency, what is owed in clips now, and the free GPU time that today still has."""
    paid = revenue.by_part(since=span.since, until=span.until, parts=BUCKETS)
    paid_before = revenue.by_part(since=span.before.since, until=span.before.until, parts=1)
    used, most = free_gpu_budget.used_today(span.until)
    page = reverse("admin:money")
    tiles = [
        Tile(
            f"Revenue, {currency.upper()}",
            formatted(sum(parts), currency),
            change=_change(sum(parts), sum(paid_before.get(currency, [0]))),
            address=page,
            course=parts,
        )
        for currency, parts in sorted(paid.items())
    ]
    tiles = tiles or [Tile("Revenue", "none", address=page)]
    tiles += [
        Tile(
            f"Unspent liability, {currency.upper()}",
            formatted(amount, currency),
            address=reverse("admin:shop_liability"),
        )
        for currency, amount in sorted((revenue.owed() or {}).items())
    ]
    left = f"{max(0.0, most - used) / 60:,.0f}\N{NO-BREAK SPACE}min"
    tiles.append(Tile("Free GPU time left today", left, f"of {most / 60:,.0f} min", page))
    return {
        "tiles": [asdict(tile) for tile in tiles],
        "edges": [edge.isoformat() for edge in span.edges],
        "plots": [
            _plot(f"Revenue in {currency.upper()}", {"paid": _whole(parts, currency)})
            for currency, parts in sorted(paid.items())
        ],
    }


def _whole(parts: Sequence[int], currency: str) -> list[int]:
    """In whole units of the currency, which is as fine as a plot shows; what went back makes no column."""
    unit = 10 ** decimals_of(currency)
    return [max(0, round(amount / unit)) for amount in parts]
