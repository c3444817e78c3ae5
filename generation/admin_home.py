"""What the admin's first page shows: how the site does, and what waits for somebody."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from django.contrib.auth.models import PermissionsMixin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.models import Proposal
from billing.shop.models import Mismatch, StripeEvent
from generation import figures
from generation.figures import Span
from generation.models import Generation, State
from generation.moderation.models import Review
from generation.notices.models import Notice
from generation.scheduling import capacity, fleet_samples
from loremotion.outbox.models import MailMessage
from loremotion.outbox.models import State as MailState
from loremotion.read_through import get_or_make

FIRST_RANGE: Final = "24h"
_UNKNOWN: Final = "–"
LATELY: Final = timedelta(days=7)
MOST_COUNTED: Final = 1000
"""Of what waits: a list that long is no number any more, and counting on would grow with it."""


@dataclass(frozen=True, slots=True)
class Range:
    """A span to look at, and for how long its figures are shown again before they are counted anew."""

    title: str
    length: timedelta
    kept_seconds: int
    is_refreshed: bool = False


RANGES: Final = {
    "1h": Range("Last hour", timedelta(hours=1), 5, is_refreshed=True),
    "24h": Range("Last 24 hours", timedelta(hours=24), 20, is_refreshed=True),
    "7d": Range("Last 7 days", timedelta(days=7), 120),
    "30d": Range("Last 30 days", timedelta(days=30), 600),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its change against as much time before."""

    title: str
    value: str
    change: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for staff."""

    one: str
    many: str
    count: int
    address: str


def figures_of(request: HttpRequest) -> dict[str, Any]:
    """Return tiles, plots and what waits, of what whoever looks may see, over the range that ``?range=`` names."""
    user = request.user
    if not isinstance(user, PermissionsMixin):
        return {}
    chosen = request.GET.get("range", FIRST_RANGE)
    chosen = chosen if chosen in RANGES else FIRST_RANGE
    shown: dict[str, Any] = {"needs": _needs(user)}
    if user.has_perm("generation.view_generation"):
        names = [{"name": name, "title": each.title, "is_chosen": name == chosen} for name, each in RANGES.items()]
        shown |= {"ranges": names, "refreshes": RANGES[chosen].is_refreshed, **_course(chosen)}
    return shown


def _course(chosen: str) -> dict[str, Any]:
    """The range's figures, counted once in a while however many look: a month's rows are many."""
    shown = RANGES[chosen]
    kept = get_or_make(f"admin-home:{chosen}", lambda: _counted(shown.length), seconds=shown.kept_seconds)
    return {**kept, "edges": [datetime.fromisoformat(edge) for edge in kept["edges"]]}


def _counted(length: timedelta) -> dict[str, Any]:
    """Tiles and plots of the span that ends now, as JSON can hold them."""
    span = Span.last(length)
    queued = Generation.objects.filter(state=State.QUEUED).count()
    course = figures.course_of(span, queued_now=queued)
    return {
        "tiles": [asdict(tile) for tile in _tiles(span, queued)],
        "edges": [edge.isoformat() for edge in span.edges],
        "plots": [
            ("Clips asked for", {"asked for": course.came}),
            ("Waiting in the queue", {"waiting": course.queued}),
            ("Clips made, by model", course.made),
            ("Clips that failed, by code", course.failed),
        ],
    }


def _tiles(span: Span, queued: int) -> list[Tile]:
    now, before = figures.totals_of(span), figures.totals_of(span.before)
    busy, busy_before = (fleet_samples.busy_share(each.since, each.until) for each in (span, span.before))
    clips, line = reverse("admin:generation_generation_changelist"), reverse("admin:generation_fleet")
    return [
        Tile("Clips made", f"{now.made:,}", _change(now.made, before.made), f"{clips}?state__exact=succeeded"),
        Tile("Success", _percent(now.success), _points(now.success, before.success), f"{clips}?state__exact=failed"),
        Tile("Wait p50 / p90", _seconds(now.wait_seconds), _before(_seconds(before.wait_seconds))),
        Tile("Render p50 / p90", _seconds(now.render_seconds), _before(_seconds(before.render_seconds))),
        Tile("In the queue now", f"{queued:,}", address=f"{clips}?state__exact=queued"),
        Tile("GPUs on", _gpus_on(), address=line),
        Tile("GPU busy", _percent(busy), _points(busy, busy_before), address=line),
    ]


def _change(now: int, before: int) -> str:
    if not before:
        return ""
    return f"{100 * (now - before) / before:+.0f} % against before"


def _points(now: float | None, before: float | None) -> str:
    return "" if now is None or before is None else f"{100 * (now - before):+.1f} points against before"


def _before(value: str) -> str:
    return "" if value == _UNKNOWN else f"{value} before"


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{100 * share:.1f} %"


def _seconds(pair: tuple[float, float] | None) -> str:
    return _UNKNOWN if pair is None else "\N{NO-BREAK SPACE}/ ".join(_duration(seconds) for seconds in pair)


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    return f"{seconds:.0f}\N{NO-BREAK SPACE}s" if seconds < 120 else f"{seconds / 60:.0f}\N{NO-BREAK SPACE}min"


def _gpus_on() -> str:
    try:
        return str(len(capacity.taking_budgets()))
    except redis.RedisError:
        return "unknown"


def _needs(user: PermissionsMixin) -> list[Need]:
    """What waits for this member of staff, of what they may see."""
    lately = timezone.now() - LATELY
    waiting: tuple[tuple[str, str, QuerySet[Any], str, str], ...] = (
        ("report to decide", "reports to decide", Notice.objects.waiting(), "notices.notice", ""),
        ("prompt to review", "prompts to review", Review.objects.waiting(), "moderation.review", ""),
        (
            "proposal to approve or refuse",
            "proposals to approve or refuse",
            Proposal.objects.waiting(),
            "billing.proposal",
            "",
        ),
        (
            "Stripe event that failed",
            "Stripe events that failed",
            StripeEvent.objects.filter(state=StripeEvent.State.DEAD, received_at__gte=lately),
            "shop.stripeevent",
            "?state__exact=dead",
        ),
        (
            "difference with Stripe",
            "differences with Stripe",
            Mismatch.objects.open(),
            "shop.reconciliation",
            "",
        ),
        (
            "mail that nobody took",
            "mails that nobody took",
            MailMessage.objects.filter(state=MailState.DEAD, ended_at__gte=lately).exclude(last_error=""),
            "outbox.mailmessage",
            "?state__exact=dead",
        ),
    )
    found = []
    for one, many, rows, model, query in waiting:
        app, _, name = model.partition(".")
        if user.has_perm(f"{app}.view_{name}") and (count := rows[:MOST_COUNTED].count()):
            found.append(Need(one, many, count, reverse(f"admin:{app}_{name}_changelist") + query))
    return found
