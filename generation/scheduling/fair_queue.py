"""The fair queue: who is next, and why.

Self-clocked fair queueing. Requests wait in lines: of one person, whatever the number of their workspaces; of the
visitors of one network; else of one workspace. Free ones of one network, whosever, wait behind each other too: a
hundred accounts get no more there than one. For that line each has a second tag, ``network_finish``, which leaves out
what its owner has waiting elsewhere: somebody far back in one network's line who asks from another delays that one by
a single clip. A request's finish tag is that of the last one in its line, or the present virtual time if that is later,
plus its price divided by its plan's weight. The lowest tag goes first and moves the clock. So a line gets GPU time in
proportion to its weight whenever it has work, a flood only delays whoever sent it, and nobody starves: the clock passes
every tag. Clips that are paid for and clips that cost nothing are two such queues, one behind the other (``tiers``).

Source: S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband Applications", INFOCOM 1994.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import UUID

from django import db

from accounts.models import Workspace
from generation.models import FairClock, Generation, State
from generation.scheduling.fair_order import Key, first_by_size, key_of
from generation.scheduling.window import Level, Window
from generation.tiers import FREE_BEGINS, MOST_PASSES, pass_first, yields
from loremotion.prepared import prepared_cursor, send


def next_finish(*, now: float, last_finish: float, cost: float, weight: float) -> float:
    """Return a request's finish tag: ``now`` is the clock, ``last_finish`` the tag of the last request in the same
    line."""
    return max(now, last_finish) + cost / weight


@dataclass(frozen=True, slots=True)
class LineState:
    """How one workspace stands in the queue."""

    virtual_time: float
    """The clock's, of its tier."""
    last_finish: float
    """The latest tag, of its tier, in its own line and in that of its network; 0 where nobody waits in either."""
    open_clips: int
    """Of the workspace, that wait or are being made; at most as many as were to be counted."""
    flow: str = ""
    """Whose line it is: see ``send_join``."""
    network_last: float = 0.0
    """The latest tag in the line of its network; 0 where nobody waits there."""

    def finish_tag(self, *, credits: int, weight: float) -> float:
        """Return the finish tag of the workspace's next request.

        Args:
            credits: its price, which stands for the GPU time it takes.
            weight: the share of the GPUs that its line gets while the queue is full, 1 for those who do not pay.
        """
        return next_finish(now=self.virtual_time, last_finish=self.last_finish, cost=credits, weight=weight)

    def network_tag(self, *, credits: int, weight: float) -> float:
        """Return that request's tag in its network's line, whatever else its owner has waiting."""
        return next_finish(now=self.virtual_time, last_finish=self.network_last, cost=credits, weight=weight)


def send_join(workspace: Workspace, *, is_paid: bool, most_open: int, network: str = "") -> Callable[[], LineState]:
    """Lock the workspace's line until the transaction ends, and return what tells how the workspace stands.

    A person's workspaces share one line, whatever their number, and so do the visitors of one network; behind the free
    clips of its network is whoever asks for one. What has been dispatched need not be looked at, since the clock has
    passed its tag.

    Args:
        is_paid: whether its next clip goes before those that cost nothing.
        most_open: how many of its open clips are counted: of interest is whether there are as many.
        network: where it is asked for; empty of who pays, or where nobody knows.
    """
    joined = send(
        "SELECT virtual_time, last_finish, open_clips, flow, network_last "
        "FROM generation_join_both_lines(%s, %s, %s, %s, %s)",
        [workspace.id, _line_without_a_person(workspace, network), 0.0 if is_paid else FREE_BEGINS, network, most_open],
    )
    return lambda: LineState(*joined())


def _line_without_a_person(workspace: Workspace | None, network: str) -> str:
    """Return the line of a workspace that nobody owns; empty for a newcomer whose network is unknown."""
    if network and (workspace is None or workspace.is_visitor):
        return f"network:{network}"
    return "" if workspace is None else f"workspace:{workspace.id}"


def prospective_finish(
    workspace: Workspace | None, *, is_paid: bool, network: str, credits: int, weight: float
) -> float:
    """Return the finish tag that a request would get now. Nothing is locked, so somebody else may still come first.

    The line is that of ``generation_join_both_lines``. The caller looks across workspaces: a line may be of several.
    """
    own, begins = None if workspace is None else workspace.id, 0.0 if is_paid else FREE_BEGINS
    asked = {"own": own, "otherwise": _line_without_a_person(workspace, network), "begins": begins, "network": network}
    with prepared_cursor() as cursor:
        cursor.execute(_LAST_OF_LINE, asked | {"free_begins": FREE_BEGINS})
        now, last_finish = cursor.fetchone()
    return next_finish(now=now, last_finish=last_finish, cost=credits, weight=weight)


_LAST_OF_LINE: Final = """
SELECT
    coalesce((
        SELECT CASE WHEN %(begins)s > 0 THEN free_time ELSE virtual_time END FROM generation_fairclock WHERE id = 1
    ), %(begins)s),
    greatest(0, (
        SELECT fair_finish FROM generation_generation WHERE state = 'queued' AND flow <> '' AND flow = line.name
            AND fair_finish >= %(begins)s AND (%(begins)s > 0 OR fair_finish < %(free_begins)s)
        ORDER BY fair_finish DESC LIMIT 1
    ), (
        SELECT max(fair_finish) FROM generation_generation
        WHERE workspace_id = %(own)s::uuid AND state = 'queued' AND flow = ''
            AND fair_finish >= %(begins)s AND (%(begins)s > 0 OR fair_finish < %(free_begins)s)
    ), (
        SELECT coalesce(network_finish, fair_finish) FROM generation_generation
        WHERE state = 'queued' AND network <> '' AND network = %(network)s::text
            AND coalesce(network_finish, fair_finish) >= %(begins)s
            AND (%(begins)s > 0 OR coalesce(network_finish, fair_finish) < %(free_begins)s)
        ORDER BY coalesce(network_finish, fair_finish) DESC LIMIT 1
    ))
FROM (SELECT coalesce((
    SELECT 'person:' || user_id FROM accounts_membership WHERE workspace_id = %(own)s::uuid AND role = 'owner'
), %(otherwise)s::text) AS name) AS line
"""


def lock_clock() -> FairClock:
    """Lock the clock's row until the transaction ends, and return it: its holder alone decides on order."""
    clock, _ = FairClock.objects.select_for_update().get_or_create(id=1)
    return clock


@dataclass(slots=True)
class Yielding:
    """A clip that waits in RQ and lets those that are paid for go before it."""

    id: UUID
    attempt: int
    passes: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A request to dispatch, and what it goes before."""

    generation: Generation
    at: datetime
    """When: of what is taken together each a microsecond later, so that places are in the order of the line."""
    before: tuple[Yielding, ...] = ()
    """It goes before all of them that still wait."""


def take(
    clock: FairClock, places: Window, yielding: Sequence[Yielding] = (), *, now: datetime, most: int | None = None
) -> list[Taken]:
    """Return the next waiting requests for which there are places, in fair order, locked. Moves the clocks to the last
    of each tier, and counts what the first of ``yielding`` is passed by.

    What fits no machine that is on stays where it is, keeps its tag, and is not in anybody's way.
    """
    named = next_for(places)
    still_waiting = Generation.objects.select_for_update(of=("self",)).filter(id__in=named[:most], state=State.QUEUED)
    chosen = sorted(still_waiting.select_related("version__model"), key=key_of)
    _move(clock, [generation.fair_finish for generation in chosen])
    line = list(yielding)
    taken = []
    times = (now + timedelta(microseconds=each) for each in count())
    for generation in chosen:
        is_free = yields(generation.fair_finish)
        taken.append(Taken(generation, next(times), () if is_free else tuple(line)))
        if not is_free and (promoted := pass_first(line)) is not None:
            _promote(promoted.id, clock, at=next(times))
    if line and line[0].passes:
        Generation.objects.filter(id=line[0].id, state=State.DISPATCHED).update(passes=line[0].passes)
    return taken


def next_for(places: Window) -> list[UUID]:
    """Return the ids of the waiting requests for which there are places, in fair order, and take these places. Nothing
    is locked."""
    candidates = sorted(
        (waiting for level in (*places.levels, *places.remote) for waiting in _first_of(level)),
        key=lambda each: each.key,
    )
    return [each.key.id for each in candidates if places.take(each.needs_bytes, is_free=yields(each.key.fair_finish))]


def _move(clock: FairClock, tags: Sequence[float]) -> None:
    paid, free = (max((tag for tag in tags if yields(tag) is is_free), default=0.0) for is_free in (False, True))
    if paid > clock.virtual_time or free > clock.free_time:
        clock.virtual_time, clock.free_time = max(paid, clock.virtual_time), max(free, clock.free_time)
        clock.save(update_fields=["virtual_time", "free_time"])


def _promote(generation_id: UUID, clock: FairClock, *, at: datetime) -> None:
    """Set its tag to the paid clock's time, so that whatever comes from now on goes behind it."""
    Generation.objects.filter(id=generation_id, state=State.DISPATCHED).update(
        fair_finish=clock.virtual_time, passes=MOST_PASSES, dispatched_at=at
    )


class _Waiting(NamedTuple):
    key: Key
    needs_bytes: int


def _first_of(level: Level) -> list[_Waiting]:
    """Return as many requests of one level as there could be places for, of each tier, in fair order."""
    sql: list[str] = []
    values: list[Any] = []
    for is_free, from_tag, below_tag in ((False, 0.0, FREE_BEGINS), (True, FREE_BEGINS, math.inf)):
        most = level.candidates(is_free=is_free)
        if most > 0:
            text, its_values = first_by_size(
                "fair_finish, created_at, id, bytes",
                most=most,
                up_to_bytes=level.up_to_bytes,
                above_bytes=level.above_bytes,
                from_tag=from_tag,
                below_tag=below_tag,
            )
            sql.append(f"({text})")
            values += its_values
    if not sql:
        return []
    with db.connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sql), values)
        return [_Waiting(Key(*key), needs_bytes) for *key, needs_bytes in cursor.fetchall()]
