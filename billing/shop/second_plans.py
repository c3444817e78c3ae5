"""Workspaces that pay for several plans at once: our pages refuse that, Stripe's dashboard does not.

What was paid is honoured all the same; whether it was meant is for a person to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from django.db.models import Count

from billing.shop.balance import Difference
from billing.shop.models import Subscription


def find_second_plans(workspace: UUID | None = None) -> Iterator[Difference]:
    """Each such workspace, or only this one if it is one, with its plans and what to do."""
    ongoing = Subscription.objects.ongoing()
    if workspace is not None:
        ongoing = ongoing.filter(workspace=workspace)
    several = ongoing.values("workspace").annotate(plans=Count("id")).filter(plans__gt=1).values("workspace")
    plans: defaultdict[UUID, list[str]] = defaultdict(list)
    for one in ongoing.filter(workspace__in=several).select_related("price__plan").order_by("workspace", "id"):
        plans[one.workspace].append(f"{one} ({one.price.item}, {one.status})")
    for owner, names in plans.items():
        yield Difference(
            f"workspace:{owner}",
            f"It pays for {len(names)} plans at once: {', '.join(names)}. Each paid period brings its credits. "
            "Was that not meant? Cancel one of them at Stripe, and refund its payment here.",
        )
