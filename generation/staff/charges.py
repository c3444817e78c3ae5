"""What clips have cost in the end, for lists of them."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from billing.models import Hold
from generation.models import Generation


def with_charged(rows: QuerySet[Generation]) -> QuerySet[Generation]:
    """Return clips with the credits that were taken for each in the end as ``charged``; None while they are held."""
    settled = Hold.objects.filter(id=OuterRef("id"), settled_at__isnull=False)
    return rows.annotate(charged=Subquery(settled.values("captured")[:1]))


def charged_of(generation: Generation) -> int | None:
    """Return what ``with_charged`` found."""
    found: int | None = vars(generation)["charged"]
    return found
