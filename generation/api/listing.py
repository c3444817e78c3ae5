"""Pages of clips, by keyset: each costs the same whatever its number, and whatever others keep to themselves."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from uuid import UUID

from django.db.models import Q, Subquery
from django.http import Http404

from accounts.caller import Caller
from generation.models import Generation


def page(
    caller: Caller,
    *,
    limit: int,
    after: Generation | UUID | None = None,
    is_ascending: bool = False,
    only: Q = Q(),  # noqa: B008 - nobody changes it
) -> list[Generation]:
    """Up to ``limit`` of what the caller sees, ``only`` those of a condition, in one query; the newest first, or the
    oldest.

    ``after`` may be known by its id alone, and may be deleted: where it stands is asked in that query.

    Where somebody sees what is shared and what is theirs, each of the two is read from an index of its own and then
    merged. One condition over both would walk through everything that others keep private.

    Raises:
        Http404: the caller sees nothing of the id ``after``.
    """
    order = ("created_at", "id") if is_ascending else ("-created_at", "-id")
    parts = Generation.objects.filter(only).kept().parts_seen_by(caller)
    if after is not None:
        place = _place_of(caller, after)
        parts = [part.newer_than(*place) if is_ascending else part.older_than(*place) for part in parts]
    if len(parts) > 1:
        ids = [part.order_by(*order).values("id")[:limit] for part in parts]
        parts = [Generation.objects.filter(id__in=reduce(lambda one, other: one.union(other, all=True), ids))]
    found = [generation for part in parts for generation in part.for_display().order_by(*order)[:limit]]
    if not found and isinstance(after, UUID) and not Generation.objects.seen_by(caller).filter(id=after).exists():
        raise Http404
    return found


def _place_of(caller: Caller, after: Generation | UUID) -> tuple[datetime | Subquery, UUID]:
    """Where in a list it stands; behind what the caller doesn't see comes nothing."""
    if isinstance(after, Generation):
        return after.created_at, after.id
    return Subquery(Generation.objects.seen_by(caller).filter(id=after).values("created_at")), after
