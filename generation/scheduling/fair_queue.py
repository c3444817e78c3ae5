"""The fair queue: who is next, and why.

Self-clocked fair queueing. A request's finish tag is where its workspace's last one ended, or the present virtual time
if that is later, plus its price divided by the workspace's weight. The lowest tag goes first and moves the clock. So a
workspace gets GPU time in proportion to its weight whenever it has work, a flood only delays whoever sent it, and
nobody starves: the clock passes every tag.

Source: S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband Applications", INFOCOM 1994.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from accounts.models import Workspace
from generation.models import FairClock, Generation, State
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
    candidates = [row for level in places.levels for row in _first_of(level)]
    chosen = [
        row for row in sorted(candidates, key=lambda row: (row.fair_finish, row.id)) if places.take(row.needs_bytes)
    ][:most]
    if chosen and chosen[-1].fair_finish > clock.virtual_time:
        clock.virtual_time = chosen[-1].fair_finish
        clock.save(update_fields=["virtual_time"])
    return chosen


def _first_of(level: Level) -> list[Generation]:
    """As many of one level as there could be places for, in fair order."""
    if level.free <= 0:
        return []
    of_level = Q(needs_bytes__gt=level.above_bytes, needs_bytes__lte=level.up_to_bytes)
    if level.above_bytes < 0:
        of_level |= Q(needs_bytes__isnull=True)
    waiting = Generation.objects.select_for_update(of=("self",)).filter(of_level, state=State.QUEUED)
    return list(waiting.select_related("version__model").order_by("fair_finish", "id")[: level.free])


@dataclass(frozen=True, slots=True)
class Place:
    """Where one open request stands."""

    number: int
    """How many are before it, running ones included; 0 when it runs."""
    is_held_up: bool = False
    """Whether it waits while clips cannot be stored: see ``storage_pause``."""


def place(generation: Generation, largest_bytes: int) -> Place:
    """Where the request stands, in one query. Never counts history, nor what no machine that is on could make:
    ``largest_bytes`` is what the largest may use."""
    if generation.state == State.RUNNING:
        return Place(0)
    if generation.state == State.DISPATCHED:
        in_flight = Generation.objects.filter(state__in=[State.DISPATCHED, State.RUNNING])
        earlier = Q(dispatched_at__lt=generation.dispatched_at)
        same_batch = Q(dispatched_at=generation.dispatched_at, fair_finish__lt=generation.fair_finish)
        return Place(in_flight.filter(Q(state=State.RUNNING) | earlier | same_batch).count())
    with prepared_cursor() as cursor:
        cursor.execute(
            """
            SELECT
                (SELECT count(*) FROM generation_generation WHERE state IN ('dispatched', 'running'))
                + (SELECT count(*) FROM generation_generation WHERE state = 'queued' AND fair_finish < %s
                    AND (needs_bytes IS NULL OR needs_bytes <= %s)),
                EXISTS (SELECT FROM generation_storagepause WHERE until IS NOT NULL)
            """,
            [generation.fair_finish, largest_bytes],
        )
        return Place(*cursor.fetchone())
