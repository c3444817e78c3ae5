"""What was reported in the last year and what became of it, in numbers that name nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, F, Q
from django.utils import timezone

from generation.notices.models import DECIDED_WITHIN, Category, Notice
from loremotion.row_security import across_workspaces

PERIOD: Final = timedelta(days=365)
State = Notice.State
_COUNTS: Final = ("received", "taken_down", "left", "waiting", "objections", "restored", "in_time")
_OBJECTED: Final = Q(objected_at__isnull=False)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the reports of one category."""

    name: str
    received: int
    taken_down: int
    left: int
    waiting: int
    objections: int
    restored: int
    in_time: int
    """Decided within 48 hours, of those that nobody objected to."""


@across_workspaces("sums over all workspaces, which name none")
def record() -> list[Row]:
    """Return the categories that something was reported in, the gravest first."""
    lately = Notice.objects.filter(created_at__gte=timezone.now() - PERIOD, is_found=False)
    counted = lately.values("category").annotate(
        received=Count("id"),
        taken_down=Count("id", filter=Q(state__in=Notice.DOWN)),
        left=Count("id", filter=Q(state=State.KEPT)),
        waiting=Count("id", filter=Q(state__in=Notice.WAITING)),
        objections=Count("id", filter=_OBJECTED),
        restored=Count("id", filter=Q(state=State.RESTORED)),
        in_time=Count("id", filter=~_OBJECTED & Q(decided_at__lte=F("created_at") + DECIDED_WITHIN)),
    )
    rows = {row["category"]: {name: row[name] for name in _COUNTS} for row in counted}
    return [Row(name=str(each.label), **rows[each]) for each in Category if each in rows]
