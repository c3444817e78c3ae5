"""How the site stands at this moment, in tiles of the admin's first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import redis
from django.db.models import Count, Min
from django.urls import reverse
from django.utils import timezone

from billing import free_gpu_budget
from billing.shop import revenue
from billing.shop.money import format_amount
from generation.models import OPEN_STATES, Generation, State
from generation.scheduling import capacity
from generation.staff.tiles import Tile, duration
from gpu_worker.liveness import takes_jobs
from gpu_worker.worker_status import WorkerStatus

_FLEET: Final = "generation.view_fleet"


@dataclass(frozen=True, slots=True)
class Open:
    """How many clips have not ended, by their state."""

    queued: int
    handed: int
    rendering: int
    oldest_asked_at: datetime | None
    """Of those that no GPU has begun."""

    @property
    def waiting(self) -> int:
        return self.queued + self.handed


def open_clips() -> Open:
    """Return how many clips have not ended, in one query."""
    rows = Generation.objects.filter(state__in=OPEN_STATES).order_by().values_list("state")
    found = {state: (count, oldest) for state, count, oldest in rows.annotate(Count("id"), Min("created_at"))}
    count = {state: found[state][0] if state in found else 0 for state in OPEN_STATES}
    oldest = [found[state][1] for state in (State.QUEUED, State.DISPATCHED) if state in found]
    return Open(count[State.QUEUED], count[State.DISPATCHED], count[State.RUNNING], min(oldest, default=None))


def of_clips() -> list[Tile]:
    """Return the queue and the GPUs as they are now."""
    clips, fleet = reverse("admin:generation_generation_changelist"), reverse("admin:generation_fleet")
    found = open_clips()
    oldest = found.oldest_asked_at
    since = duration(max(0.0, (timezone.now() - oldest).total_seconds())) if oldest else "none"
    on, out = _gpus()
    return [
        Tile(
            "Clips waiting",
            f"{found.waiting:,}",
            f"{found.queued:,} in the queue, {found.handed:,} handed to GPUs",
            *(f"{fleet}#queue", _FLEET),
        ),
        Tile(
            *("Longest wait", since, "since it was asked for" if oldest else "nothing waits"),
            *(f"{fleet}#queue", _FLEET),
        ),
        Tile(
            *("Clips rendering", f"{found.rendering:,}", "by GPUs and remote workers"),
            f"{clips}?state__exact=running&when=any",
        ),
        Tile("GPUs taking clips", on, out, fleet, _FLEET),
    ]


def _gpus() -> tuple[str, str]:
    """How many GPUs take clips, of how many that are on, and what the others are at."""
    try:
        statuses = [status for status in capacity.statuses() if not status.is_remote]
    except redis.RedisError:
        return "unknown", "Valkey does not answer"
    taking = sum(takes_jobs(status) for status in statuses)
    return f"{taking} of {len(statuses)}", _others(statuses)


def _others(statuses: Sequence[WorkerStatus]) -> str:
    if not statuses:
        return "no GPU worker is on"
    states = sorted({status.state for status in statuses if not takes_jobs(status)})
    return (
        ", ".join(f"{sum(each.state == state for each in statuses)} {state}" for state in states) or "all that are on"
    )


def of_money() -> list[Tile]:
    """Return what is owed in clips now, and the free GPU time that today still has."""
    used, most = free_gpu_budget.used_today(timezone.now())
    owed = [
        Tile(
            f"Unspent liability, {currency.upper()}",
            *(format_amount(amount, currency), "credits paid for and not used"),
            reverse("admin:shop_liability"),
        )
        for currency, amount in sorted((revenue.owed() or {}).items())
    ]
    left = f"{max(0.0, most - used) / 60:,.0f}\N{NO-BREAK SPACE}min"
    note = f"of {most / 60:,.0f}\N{NO-BREAK SPACE}min, until midnight UTC"
    return [*owed, Tile("Free GPU time left today", left, note, reverse("admin:money"))]
