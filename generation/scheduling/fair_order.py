"""The order of the fair queue: by finish tag, and of equal tags whoever came first; and a way to walk it by sizes."""

from __future__ import annotations

import math
import uuid
from datetime import datetime
from typing import NamedTuple

from generation.models import Generation
from gpu_worker.contract import REMOTE_BYTES


class Key(NamedTuple):
    """What the queue is sorted by, in Python as in the index ``generation_in_line``."""

    fair_finish: float
    created_at: datetime
    id: uuid.UUID


def key_of(generation: Generation) -> Key:
    return Key(generation.fair_finish, generation.created_at, generation.id)


def first_that_fit(columns: str, *, most: int, up_to_bytes: int) -> tuple[str, list[float]]:
    """Return SQL and its values for the first ``most`` clips that wait and need no more bytes, in fair order. With
    ``REMOTE_BYTES`` those are the ones that remote workers make, else ones that cards do.

    Usually they are among the first of the queue, which is then read and nothing else. The queue is walked by sizes
    only where it is longer than that and too few of its first fit.

    Counts stand in the text: where a LIMIT is a parameter, PostgreSQL takes it for a tenth of the queue, so of a long
    one it plans each look anew rather than keep a plan that seems dear, and that takes longer than the look.
    """
    above_bytes = REMOTE_BYTES if up_to_bytes >= 0 else REMOTE_BYTES - 1
    by_size, values = first_by_size(columns, most=most, up_to_bytes=up_to_bytes, above_bytes=above_bytes)
    is_fit = f"bytes <= %s AND bytes > {above_bytes:d}"
    front = 2 * most
    sql = f"""
        WITH front AS MATERIALIZED (
            SELECT id, state, workspace_id, fair_finish, created_at, coalesce(needs_bytes, 0) AS bytes
            FROM generation_generation WHERE state = 'queued' ORDER BY fair_finish, created_at, id LIMIT {front:d}
        ), looked AS MATERIALIZED (
            SELECT count(*) < {front:d} OR count(*) FILTER (WHERE {is_fit}) >= {most:d} AS is_enough FROM front
        )
        (SELECT {columns} FROM front WHERE {is_fit} AND (SELECT is_enough FROM looked)
            ORDER BY fair_finish, created_at, id LIMIT {most:d})
        UNION ALL
        SELECT * FROM ({by_size}) AS by_size WHERE NOT (SELECT is_enough FROM looked)
    """  # noqa: S608 - columns and numbers of ours
    return sql, [up_to_bytes, up_to_bytes, *values]


def first_by_size(
    columns: str,
    *,
    most: int,
    up_to_bytes: int,
    above_bytes: int = -1,
    from_tag: float = 0.0,
    below_tag: float = math.inf,
) -> tuple[str, list[float]]:
    """Return SQL and its values for the first ``most`` clips that wait and need so many bytes, with tags in that range:
    ``columns`` of each and ``bytes``, in fair order.

    The queue is walked by sizes: the first few of each size that occurs, however many wait of it. In fair order it
    might be walked to its end in search of the few that need a large machine, or of those that need none.
    """
    sql = f"""
        WITH RECURSIVE size AS (
            (SELECT coalesce(needs_bytes, 0) AS bytes FROM generation_generation
                WHERE state = 'queued' AND coalesce(needs_bytes, 0) > %s
                ORDER BY coalesce(needs_bytes, 0) LIMIT 1)
            UNION ALL
            SELECT (SELECT coalesce(needs_bytes, 0) FROM generation_generation
                WHERE state = 'queued' AND coalesce(needs_bytes, 0) > size.bytes
                ORDER BY coalesce(needs_bytes, 0) LIMIT 1)
            FROM size WHERE size.bytes <= %s
        )
        SELECT {columns} FROM size CROSS JOIN LATERAL (
            SELECT id, state, workspace_id, fair_finish, created_at FROM generation_generation
            WHERE state = 'queued' AND coalesce(needs_bytes, 0) = size.bytes
                AND fair_finish >= %s AND fair_finish < %s
            ORDER BY fair_finish, created_at, id LIMIT {most:d}
        ) AS first
        WHERE size.bytes <= %s ORDER BY fair_finish, created_at, id LIMIT {most:d}
    """  # noqa: S608 - columns and numbers of ours
    return sql, [above_bytes, up_to_bytes, from_tag, below_tag, up_to_bytes]
