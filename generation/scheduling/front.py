"""The queue behind the clips that are played one by one, as far as it is known of each clip what it takes: counted by
kind in stretches that grow, so that a round of the beat reads some dozens of rows, however many wait."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final, NamedTuple

from generation.scheduling.fair_order import Key, first_that_fit
from loremotion.prepared import prepared_cursor

FRONT_CLIPS: Final = 256
_GROWTH: Final = 1.25
"""A stretch ends so many times as far back as the one before it: a place within one is off by no larger share."""


class Counted(NamedTuple):
    """Clips of one kind in one stretch, and where that stretch ends."""

    stretch: int
    middle_tag: float
    """Half of the stretch's clips, of whatever kind, have no higher one."""
    fair_finish: float
    created_at: datetime
    id: uuid.UUID
    """The last clip's of the stretch."""
    clips: int
    version_id: int
    mode: str
    preset: str
    steps: int
    width: int
    height: int
    num_frames: int

    @property
    def end(self) -> Key:
        return Key(self.fair_finish, self.created_at, self.id)


def ranks(behind: int, most: int) -> list[int]:
    """Return the ranks of the first clip of each stretch, of ``most`` clips in fair order, the first of which is 1.

    Args:
        behind: how many come before the first stretch.
    """
    found = [behind + 1]
    while (following := max(found[-1] + 1, round(found[-1] * _GROWTH))) <= most:
        found.append(following)
    return found


def count(*, behind: int, up_to_bytes: int) -> list[Counted]:
    """Return what waits behind the first so many of those that need no more bytes, in fair order."""
    front, values = first_that_fit("id, fair_finish, created_at", most=FRONT_CLIPS, up_to_bytes=up_to_bytes)
    sql = _COUNT.replace("_front_", front).replace("_ranks_", ", ".join(map(str, ranks(behind, FRONT_CLIPS))))
    with prepared_cursor() as cursor:
        cursor.execute(sql, values)
        return [Counted(*row) for row in cursor.fetchall()]


_COUNT: Final = """
WITH line AS MATERIALIZED (
    SELECT id, fair_finish, created_at, row_number() OVER (ORDER BY fair_finish, created_at, id) AS rank
    FROM (_front_) AS front
), placed AS MATERIALIZED (
    SELECT line.*, width_bucket(rank, ARRAY[_ranks_]::bigint[]) AS stretch FROM line
), ends AS (
    SELECT DISTINCT ON (stretch) stretch, fair_finish, created_at, id FROM placed WHERE stretch > 0
    ORDER BY stretch, rank DESC
), middles AS (
    SELECT stretch, percentile_disc(0.5) WITHIN GROUP (ORDER BY fair_finish) AS middle_tag FROM placed GROUP BY stretch
), kinds AS (
    SELECT stretch, count(*) AS clips, version_id, mode, preset, steps, width, height, num_frames
    FROM placed JOIN generation_generation AS clip USING (id)
    GROUP BY stretch, version_id, mode, preset, steps, width, height, num_frames
)
SELECT stretch, middle_tag, ends.fair_finish, ends.created_at, ends.id,
    clips, version_id, mode, preset, steps, width, height, num_frames
FROM ends JOIN middles USING (stretch) JOIN kinds USING (stretch) ORDER BY stretch
"""
