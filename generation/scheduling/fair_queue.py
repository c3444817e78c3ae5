"""The fair queue: who is next, and why.

Self-clocked fair queueing. A request's finish tag is where its workspace's last one ended, or the present virtual time
if that is later, plus its price divided by the workspace's weight. The lowest tag goes first and moves the clock. So a
workspace gets GPU time in proportion to its weight whenever it has work, a flood only delays whoever sent it, and
nobody starves: the clock passes every tag.

Source: S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband Applications", INFOCOM 1994.
"""

from __future__ import annotations

from django.db.models import Q

from accounts.models import Workspace
from generation.models import FairClock, Generation, State
from generation.scheduling.window import Level, Window


def next_finish(*, now: float, last_finish: float, cost: float, weight: float) -> float:
    """The rule itself: ``now`` is the clock, ``last_finish`` the tag of the same workspace's last request."""
    return max(now, last_finish) + cost / weight


def finish_tag(workspace: Workspace, *, credits: int, weight: float) -> float:
    """The finish tag of the workspace's next request. Call it while the workspace's ledger account is locked.

    Args:
        credits: its price, which stands for the GPU time it takes.
        weight: the share of the GPUs that the workspace gets while the queue is full, 1 for those who do not pay.
    """
    now = FairClock.objects.filter(id=1).values_list("virtual_time", flat=True).first() or 0.0
    last = (
        Generation.objects.of(workspace)
        .exclude(state=State.CANCELLED, attempt=0)
        .order_by("-created_at")
        .values_list("fair_finish", flat=True)
        .first()
    )
    return next_finish(now=now, last_finish=last or 0.0, cost=credits, weight=weight)


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


def place(generation: Generation, largest_bytes: int) -> int:
    """How many requests are before this one, running ones included; 0 when it runs. Never counts history, nor what no
    machine that is on could make: ``largest_bytes`` is what the largest may use."""
    if generation.state == State.RUNNING:
        return 0
    in_flight = Generation.objects.filter(state__in=[State.DISPATCHED, State.RUNNING])
    if generation.state == State.DISPATCHED:
        earlier = Q(dispatched_at__lt=generation.dispatched_at)
        same_batch = Q(dispatched_at=generation.dispatched_at, fair_finish__lt=generation.fair_finish)
        return in_flight.filter(Q(state=State.RUNNING) | earlier | same_batch).count()
    can_be_made = Q(needs_bytes__isnull=True) | Q(needs_bytes__lte=largest_bytes)
    waiting = Generation.objects.filter(can_be_made, state=State.QUEUED, fair_finish__lt=generation.fair_finish)
    return in_flight.count() + waiting.count()
