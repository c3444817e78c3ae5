"""A clip's family: what it was made from, step by step back, and what was made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from accounts.caller import Caller
from generation.models import Generation
from generation.storage import files
from loremotion.row_security import across_workspaces

MOST_ANCESTORS: Final = 6
MOST_CHILDREN: Final = 12
_READ_CHILDREN: Final = 100
"""Among which are those that the caller sees."""
_ANCESTORS: Final = """
WITH RECURSIVE line (id, source, back) AS (
    SELECT id, inputs ->> 'video', 0 FROM generation_generation WHERE id = %s
    UNION ALL
    SELECT before.id, before.inputs ->> 'video', back + 1 FROM line JOIN generation_generation before
    ON before.id = CASE WHEN source ~ '^clips/[0-9a-f-]{36}/' THEN split_part(source, '/', 2)::uuid END
    WHERE back < %s
)
SELECT id FROM line WHERE back > 0 ORDER BY back DESC
"""
_CHILDREN: Final = """
SELECT id FROM generation_generation WHERE inputs ? 'video' AND inputs ->> 'video' = ANY(%s)
ORDER BY created_at LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Family:
    """Of one clip, those that the caller sees: the first ancestor first, and the oldest child."""

    ancestors: list[Generation]
    children: list[Generation]

    def __bool__(self) -> bool:
        return bool(self.ancestors or self.children)


def family_of(clip: Generation, caller: Caller) -> Family:
    """The clip's family. In three queries, however large it is."""
    ancestors, children = _ids(clip)
    kept = Generation.objects.seen_by(caller).kept().for_display()
    found = {each.id: each for each in kept.filter(id__in=[*ancestors, *children])} if ancestors or children else {}
    seen = [found[each] for each in children if each in found]
    return Family([found[each] for each in ancestors if each in found], seen[:MOST_CHILDREN])


@across_workspaces("PostgreSQL uses no index of what is inside JSON behind policies; the rows are read behind them")
def _ids(clip: Generation) -> tuple[list[UUID], list[UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(_ANCESTORS, [clip.id, MOST_ANCESTORS])
        ancestors = [row[0] for row in cursor.fetchall()]
        keys = {files.key(clip, files.CLIP)} | ({clip.clip.key} if hasattr(clip, "clip") else set())
        cursor.execute(_CHILDREN, [list(keys), _READ_CHILDREN])
        return ancestors, [row[0] for row in cursor.fetchall()]
