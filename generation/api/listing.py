"""Pages of clips, by keyset: each costs the same whatever its number, and whatever others keep to themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Final
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import connection
from django.db.models import F, Q, Subquery
from django.http import Http404

from accounts.caller import Caller
from generation.models import Generation, GenerationQuerySet
from loremotion.row_security import across_workspaces

LOOKED_THROUGH: Final = 500
"""Clips that a search reads one after the other, before it asks the index of words."""


def page(
    caller: Caller,
    *,
    limit: int,
    after: Generation | UUID | None = None,
    is_ascending: bool = False,
    only: Q = Q(),  # noqa: B008 - nobody changes it
    words: str = "",
) -> list[Generation]:
    """Up to ``limit`` of what the caller sees, ``only`` those of a condition, in one query; the newest first, or the
    oldest. With ``words`` those whose prompt has words that begin with each of them, in three queries at most.

    ``after`` may be known by its id alone, and may be deleted: where it stands is asked in that query.

    Where somebody sees what is shared and what is theirs, each of the two is read from an index of its own and then
    merged. One condition over both would walk through everything that others keep private.

    Raises:
        Http404: the caller sees nothing of the id ``after``.
    """
    order = ("created_at", "id") if is_ascending else ("-created_at", "-id")
    rows = Generation.objects.filter(only).kept()
    if after is not None:
        place = _place_of(caller, after)
        rows = rows.newer_than(*place) if is_ascending else rows.older_than(*place)
    parts = rows.parts_seen_by(caller)
    if words and parts:
        near = _first_of(parts, order, LOOKED_THROUGH)
        ids = _with_words(words, near, rows.seen_by(caller), limit, is_ascending=is_ascending)
        parts = [Generation.objects.filter(id__in=ids)]
    elif len(parts) > 1:
        parts = [_first_of(parts, order, limit)]
    found = [generation for part in parts for generation in part.for_display().order_by(*order)[:limit]]
    if not found and isinstance(after, UUID) and not Generation.objects.seen_by(caller).filter(id=after).exists():
        raise Http404
    return found


def _place_of(caller: Caller, after: Generation | UUID) -> tuple[datetime | Subquery, UUID]:
    """Where in a list it stands; behind what the caller doesn't see comes nothing."""
    if isinstance(after, Generation):
        return after.created_at, after.id
    return Subquery(Generation.objects.seen_by(caller).filter(id=after).values("created_at")), after


def _first_of(parts: Sequence[GenerationQuerySet], order: Sequence[str], limit: int) -> GenerationQuerySet:
    """The rows among which the first ``limit`` of all parts are."""
    if len(parts) == 1:
        return parts[0]
    ids = [part.order_by(*order).values("id")[:limit] for part in parts]
    return Generation.objects.filter(id__in=reduce(lambda one, other: one.union(other, all=True), ids))


def _with_words(
    words: str, near: GenerationQuerySet, rows: GenerationQuerySet, limit: int, *, is_ascending: bool
) -> list[UUID]:
    """Ids of the first ``limit`` of ``rows`` whose prompt has words that begin with each of ``words``.

    A word that many prompts have is met at once by looking through the first rows, which are among ``near``; one that
    few have is in an index, and stands there for few.
    """
    query = " & ".join(_beginnings_of(word) for word in words.split() if re.search(r"\w", word))
    if not query:
        return []
    found = _looked_through(query, near, limit, is_ascending=is_ascending)
    return found if len(found) == limit else _by_index(query, rows, limit, is_ascending=is_ascending)


def _beginnings_of(word: str) -> str:
    """What ``to_tsquery`` is asked for ``word``: words that begin as its parts do, or as PostgreSQL reads it itself,
    which keeps some whole (``f/1.8``, ``example.com``)."""
    parts = " & ".join(f"{part}:*" for part in re.findall(r"\w+", word))
    if parts == f"{word}:*":
        return parts
    quoted = word.replace("\\", "\\\\").replace("'", "''")
    return f"({parts} | '{quoted}':*)"


def _looked_through(query: str, rows: GenerationQuerySet, limit: int, *, is_ascending: bool) -> list[UUID]:
    """Ids of the first ``limit`` that match among the first ``LOOKED_THROUGH`` of ``rows``.

    Around a query of its own, which PostgreSQL reads from its beginning as far as needed: with one condition more it
    would read all of history, or ask the index for a word that is everywhere.
    """
    way = "ASC" if is_ascending else "DESC"
    names = [name if is_ascending else f"-{name}" for name in ("created_at", "id")]
    first = rows.order_by(*names).values("id", "created_at", "prompt")[:LOOKED_THROUGH]
    sql, values = first.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM ({sql}) AS near "  # noqa: S608 - Django's own
            "WHERE to_tsvector('simple', prompt) @@ to_tsquery('simple', %s) "
            f"ORDER BY created_at {way}, id {way} LIMIT %s",
            [*values, query, limit],
        )
        return [found for (found,) in cursor.fetchall()]


@across_workspaces("PostgreSQL searches no index of words behind policies; the rows themselves are read behind them")
def _by_index(query: str, rows: GenerationQuerySet, limit: int, *, is_ascending: bool) -> list[UUID]:
    """Ids of the first ``limit`` of ``rows`` that match, for words that few prompts have.

    What has them is found first and put in order then: the order is one that no index has, so that nobody walks through
    all of history for the next prompt with them.
    """
    names = ("created_at", "id")
    order = [F(name).asc(nulls_first=True) if is_ascending else F(name).desc(nulls_last=True) for name in names]
    matching = rows.annotate(vector=SearchVector("prompt", config="simple")).filter(
        vector=SearchQuery(query, config="simple", search_type="raw")
    )
    return list(matching.order_by(*order).values_list("id", flat=True)[:limit])
