"""About how many wait deep in the queue: the beat counts a bounded part of it a round, so a round costs the same
however long the queue is. What it has counted lies in Valkey, in one entry that whoever asks reads.

A count is as old as the beat's last walk through that part: at 100,000 clips four minutes, in which a hundred machines
make a few hundred. So it is said with "about".
"""

from __future__ import annotations

import functools
import json
import logging
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Final

import redis
from django.db import connection as database

from generation.scheduling import capacity
from generation.scheduling.fair_order import Key
from generation.tiers import FREE_BEGINS
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

ENTRY: Final = "queue:depth"
ENTRY_TTL_SECONDS: Final = 600
"""Without a beat for so long, nobody says "about" any more."""
STRETCH: Final = 2_000
"""Clips that a round counts."""
_PARTS: Final = 4
"""Of a tier's share of these, as many clips in each: tags say little of how many have them, since most who wait in a
queue that grows have one of a few."""
_START: Final = Key(-1.0, datetime(1, 1, 1, tzinfo=UTC), uuid.UUID(int=0))
"""Before every tag."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the queue: the tag that it begins at, its last clip, and how many of it some machine that is on could
    make."""

    begin: float
    end: Key
    fitting: int

    def to_json(self) -> list[Any]:
        return [self.begin, self.end.fair_finish, self.end.created_at.isoformat(), str(self.end.id), self.fitting]

    @classmethod
    def from_json(cls, given: Sequence[Any]) -> Stretch:
        begin, finish, created_at, name, fitting = given
        return cls(float(begin), Key(float(finish), datetime.fromisoformat(created_at), uuid.UUID(name)), int(fitting))


class Depth:
    """The queue in stretches, as far as the beat has walked, first in line first."""

    def __init__(self, stretches: Sequence[Stretch], walked_to: Key = _START) -> None:
        self.stretches = list(stretches)
        self.walked_to = walked_to
        """Where the next round goes on."""
        self._ends = [stretch.end for stretch in self.stretches]
        self._before = [0, *accumulate(stretch.fitting for stretch in self.stretches)]

    def before(self, key: Key) -> int | None:
        """Return about how many clips that some machine could make are before ``key``; None where the count ends
        earlier."""
        place = bisect_left(self._ends, key)
        if place == len(self.stretches):
            return None if not self.stretches or key > self._ends[-1] else self._before[-1]
        return self._before[place] + round(self.stretches[place].fitting * self._share(place, key))

    def _share(self, place: int, key: Key) -> float:
        """Return how much of a stretch is before ``key``: by its tags, and where it has but one, by who asked first."""
        stretch = self.stretches[place]
        length, passed = stretch.end.fair_finish - stretch.begin, key.fair_finish - stretch.begin
        if length <= 0 < place and self._ends[place - 1].fair_finish == stretch.begin:
            asked_at = self._ends[place - 1].created_at
            length = (stretch.end.created_at - asked_at).total_seconds()
            passed = (key.created_at - asked_at).total_seconds()
        return min(1.0, max(0.0, passed / length)) if length > 0 else 0.5

    def walked(self, counted: Sequence[Stretch], *, is_the_end: bool) -> Depth:
        """Return the depth with the stretches after ``walked_to`` replaced by ``counted``."""
        until = counted[-1].end if counted else self.walked_to
        known = self.stretches[: bisect_right(self._ends, self.walked_to)]
        behind = [] if is_the_end else self.stretches[bisect_right(self._ends, until) :]
        return Depth([*known, *counted, *behind], _START if is_the_end else until)


def read() -> Depth:
    """Return what the beat has counted; an empty depth where it has not, or Valkey is away or holds something else."""
    try:
        entry: Any = connection().get(ENTRY)
    except redis.RedisError:
        return Depth([])
    return of_entry(entry)


def of_entry(entry: bytes | None) -> Depth:
    """Return the depth from an entry that the caller has read under ``ENTRY`` together with others."""
    try:
        return Depth([]) if entry is None else _parsed(entry)
    except (ValueError, TypeError, KeyError) as problem:
        logger.warning("What lies under %s is refused: %r", ENTRY, problem)
        return Depth([])


@functools.lru_cache(maxsize=1)
def _parsed(entry: bytes) -> Depth:
    """Parse an entry, cached: it is read far more often than it changes."""
    found = [Stretch.from_json(each) for each in json.loads(entry)]
    return Depth(found[:-1], found[-1].end) if found else Depth([])


def walk() -> None:
    """Count the next stretch of the queue."""
    depth = read()
    counted, is_the_end = _count(depth.walked_to, largest_bytes=capacity.budgets()[-1])
    depth = depth.walked(counted, is_the_end=is_the_end)
    entry = [stretch.to_json() for stretch in (*depth.stretches, Stretch(0.0, depth.walked_to, 0))]
    connection().set(ENTRY, json.dumps(entry), ex=ENTRY_TTL_SECONDS)


def _count(after: Key, *, largest_bytes: int) -> tuple[list[Stretch], bool]:
    """Return what comes after ``after``, and whether the queue ends there: some stretches of each tier, since no tag
    lies between the two."""
    with database.cursor() as cursor:
        bounds = {"largest_bytes": largest_bytes, "free_begins": FREE_BEGINS, "most": STRETCH, "parts": _PARTS}
        cursor.execute(_COUNT, bounds | after._asdict())
        rows = cursor.fetchall()
    counted = [Stretch(begin, Key(*end), fitting) for begin, fitting, _, *end in rows]
    return counted, sum(clips for _, _, clips, *_ in rows) < STRETCH


_COUNT: Final = """
WITH walked AS MATERIALIZED (
    SELECT fair_finish, created_at, id, coalesce(needs_bytes, 0) BETWEEN 0 AND %(largest_bytes)s AS fits,
        fair_finish >= %(free_begins)s AS is_free
    FROM generation_generation
    WHERE state = 'queued' AND (fair_finish, created_at, id) > (%(fair_finish)s, %(created_at)s, %(id)s)
    ORDER BY fair_finish, created_at, id LIMIT %(most)s
), parted AS MATERIALIZED (
    SELECT walked.*, row_number() OVER (ORDER BY fair_finish, created_at, id) AS rank,
        ntile(%(parts)s) OVER (PARTITION BY is_free ORDER BY fair_finish, created_at, id) AS part
    FROM walked
), counted AS (
    SELECT min(fair_finish) AS begin, max(rank) AS rank, count(*) FILTER (WHERE fits) AS fitting, count(*) AS clips
    FROM parted GROUP BY is_free, part
)
SELECT begin, fitting, clips, fair_finish, created_at, id FROM counted JOIN parted USING (rank) ORDER BY rank
"""
