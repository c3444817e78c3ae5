"""How many prompts were held or refused, and how many clips kept back, in numbers that name nobody."""

from __future__ import annotations

from django.db.models import Sum

from generation.moderation.models import CATEGORIES, KEPT_BACK, RefusalCount
from loremotion.row_security import across_workspaces


@across_workspaces("sums over all workspaces, which name none")
def refused_prompts() -> list[tuple[str, int]]:
    """Return how many prompts were held or refused by category, as long as counts are kept."""
    sums = dict(RefusalCount.objects.values_list("category").annotate(Sum("count")))
    return [(str(name), sums[category]) for category, name in CATEGORIES if category in sums]


@across_workspaces("sums over all workspaces, which name none")
def clips_kept_back() -> int:
    """Return how many finished clips were kept back for what they show, as long as counts are kept."""
    counted = RefusalCount.objects.filter(category=KEPT_BACK).aggregate(count=Sum("count"))
    return counted["count"] or 0
