"""The fair queue: who is next, and why.

Self-clocked fair queueing. A request's finish tag is where its workspace's last one ended, or the present virtual time
if that is later, plus its price divided by the workspace's weight. The lowest tag goes first and moves the clock. So a
workspace gets GPU time in proportion to its weight whenever it has work, a flood only delays whoever sent it, and
nobody starves: the clock passes every tag.

Source: S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband Applications", INFOCOM 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from django import db

from accounts.models import Workspace
from generation.models import FairClock, Generation, State
from generation.scheduling.fair_order import Key, key_of
from generation.scheduling.window import Level, Window
from loremotion.prepared import prepared_cursor


def next_finish(*, now: float, last_finish: float, cost: float, weight: float) -> float:
    """The rule itself: ``now`` is the clock, ``last_finish`` the tag of the same workspace's last request."""
    return max(now, last_finish) + cost / weight


@dataclass(frozen=True, slots=True)
class Standing:
    """How one workspace stands in the queue."""

    virtual_time: float
    """The clock's."""
    last_finish: float
    """The tag of its last request, unless that was cancelled before it began."""
    open_clips: int
    """That wait or are being made."""

    def finish_tag(self, *, credits: int, weight: float) -> float:
        """The finish tag of the workspace's next request.

        Args:
            credits: its price, which stands for the GPU time it takes.
            weight: the share of the GPUs that the workspace gets while the queue is full, 1 for those who do not pay.
        """
        return next_finish(now=self.virtual_time, last_finish=self.last_finish, cost=credits, weight=weight)


def standing_of(workspace: Workspace) -> Standing:
    """How the workspace stands, in one query. Certain while its ledger account is locked."""
    with prepared_cursor() as cursor:
        cursor.execute(
            """
            SELECT
                coalesce((SELECT virtual_time FROM generation_fairclock WHERE id = 1), 0),
                coalesce((
                    SELECT fair_finish FROM generation_generation
                    WHERE workspace_id = %(own)s AND NOT (state = 'cancelled' AND attempt = 0)
                    ORDER BY created_at DESC LIMIT 1
                ), 0),
                (SELECT count(*) FROM generation_generation
                    WHERE workspace_id = %(own)s AND state IN ('queued', 'dispatched', 'running'))
            """,
            {"own": workspace.id},
        )
        return Standing(*cursor.fetchone())


def lock_clock() -> FairClock:
    """The clock's row, locked until the transaction ends: whoever holds it is the one who decides on order."""
    clock, _ = FairClock.objects.select_for_update().get_or_create(id=1)
    return clock


def take(clock: FairClock, places: Window, *, most: int | None = None) -> list[Generation]:
    """The next waiting requests for which there are places, in fair order, locked, and the clock moved to the last.

    What fits no machine that is on stays where it is, keeps its tag, and is not in anybody's way.
    """
    candidates = sorted((waiting for level in places.levels for waiting in _first_of(level)), key=lambda each: each.key)
    named = [waiting.key.id for waiting in candidates if places.take(waiting.needs_bytes)][:most]
    still_waiting = Generation.objects.select_for_update(of=("self",)).filter(id__in=named, state=State.QUEUED)
    chosen = sorted(still_waiting.select_related("version__model"), key=key_of)
    if chosen and chosen[-1].fair_finish > clock.virtual_time:
        clock.virtual_time = chosen[-1].fair_finish
        clock.save(update_fields=["virtual_time"])
    return chosen


class _Waiting(NamedTuple):
    key: Key
    needs_bytes: int


def _first_of(level: Level) -> list[_Waiting]:
    """As many of one level as there could be places for, in fair order.

    The queue is walked by sizes: the first few of each size that occurs, however many wait of it. In fair order it
    might be walked to its end in search of the few that need a large machine.
    """
    if level.free <= 0:
        return []
    with db.connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE size AS (
                (SELECT coalesce(needs_bytes, 0) AS bytes FROM generation_generation
                    WHERE state = 'queued' AND coalesce(needs_bytes, 0) > %(above)s
                    ORDER BY coalesce(needs_bytes, 0) LIMIT 1)
                UNION ALL
                SELECT (SELECT coalesce(needs_bytes, 0) FROM generation_generation
                    WHERE state = 'queued' AND coalesce(needs_bytes, 0) > size.bytes
                    ORDER BY coalesce(needs_bytes, 0) LIMIT 1)
                FROM size WHERE size.bytes <= %(up_to)s
            )
            SELECT first.fair_finish, first.created_at, first.id, size.bytes
            FROM size CROSS JOIN LATERAL (
                SELECT fair_finish, created_at, id FROM generation_generation
                WHERE state = 'queued' AND coalesce(needs_bytes, 0) = size.bytes
                ORDER BY fair_finish, created_at, id LIMIT %(free)s
            ) AS first
            WHERE size.bytes <= %(up_to)s ORDER BY 1, 2, 3 LIMIT %(free)s
            """,
            {"above": level.above_bytes, "up_to": level.up_to_bytes, "free": level.free},
        )
        return [_Waiting(Key(*key), needs_bytes) for *key, needs_bytes in cursor.fetchall()]
