"""Pages of clips, by keyset: each costs the same whatever its number, and whatever others keep to themselves."""

from __future__ import annotations

from functools import reduce

from django.db.models import Q

from accounts.caller import Caller
from generation.models import Generation, GenerationQuerySet


def page(
    caller: Caller,
    *,
    limit: int,
    after: Generation | None = None,
    is_ascending: bool = False,
    only: Q = Q(),  # noqa: B008 - nobody changes it
) -> list[Generation]:
    """Up to ``limit`` of what the caller sees, ``only`` those of a condition, in one query; the newest first, or the
    oldest.

    Where somebody sees what is shared and what is theirs, each of the two is read from an index of its own and then
    merged. One condition over both would walk through everything that others keep private.
    """
    order = ("created_at", "id") if is_ascending else ("-created_at", "-id")
    parts = [
        _beyond(part, after, is_ascending) for part in Generation.objects.filter(only).kept().parts_seen_by(caller)
    ]
    if len(parts) > 1:
        ids = [part.order_by(*order).values("id")[:limit] for part in parts]
        parts = [Generation.objects.filter(id__in=reduce(lambda one, other: one.union(other, all=True), ids))]
    return [generation for part in parts for generation in part.for_display().order_by(*order)[:limit]]


def _beyond(part: GenerationQuerySet, after: Generation | None, is_ascending: bool) -> GenerationQuerySet:
    if after is None:
        return part
    return part.newer_than(after) if is_ascending else part.older_than(after)
