"""How many prompts were held or refused, in numbers that name nobody."""

from __future__ import annotations

from django.db.models import Sum

from generation.moderation.models import CATEGORIES, RefusalCount
from loremotion.row_security import across_workspaces


@across_workspaces("sums over all workspaces, which name none")
def refused_prompts() -> list[tuple[str, int]]:
    """Return how many prompts were held or refused by category, as long as counts are kept."""
    sums = dict(RefusalCount.objects.values_list("category").annotate(Sum("count")))
    return [(name, sums[category]) for category, name in CATEGORIES if category in sums]
