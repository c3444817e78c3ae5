"""The fair queue: who is next, and why.

Self-clocked fair queueing. Requests wait in lines: of one person, whatever the number of their workspaces; of the
visitors of one network; else of one workspace. A request's finish tag is that of the last one in its line, or the
present virtual time if that is later, plus its price divided by its plan's weight. The lowest tag goes first and moves
the clock. So a line gets GPU time in proportion to its weight whenever it has work, a flood only delays whoever sent
it, and nobody starves: the clock passes every tag.

Source: S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband Applications", INFOCOM 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from django import db

from accounts.models import Workspace
from generation.models import FairClock, Generation, State
from generation.scheduling.fair_order import Key, first_by_size, key_of
from generation.scheduling.window import Level, Window
from loremotion.prepared import prepared_cursor


def next_finish(*, now: float, last_finish: float, cost: float, weight: float) -> float:
    """The rule itself: ``now`` is the clock, ``last_finish`` the tag of the last request in the same line."""
    return max(now, last_finish) + cost / weight


@dataclass(frozen=True, slots=True)
class Standing:
    """How one workspace stands in the queue."""

    virtual_time: float
    """The clock's."""
    last_finish: float
    """The latest tag of those that wait in the same line; 0 where none does."""
    open_clips: int
    """Of the workspace, that wait or are being made."""
    flow: str = ""
    """Whose line it is: see ``standing_of``."""

    def finish_tag(self, *, credits: int, weight: float) -> float:
        """The finish tag of the workspace's next request.

        Args:
            credits: its price, which stands for the GPU time it takes.
            weight: the share of the GPUs that its line gets while the queue is full, 1 for those who do not pay.
        """
        return next_finish(now=self.virtual_time, last_finish=self.last_finish, cost=credits, weight=weight)


def standing_of(workspace: Workspace, *, network: str = "") -> Standing:
    """How the workspace stands. Certain until the transaction ends: its line is locked, so nobody else joins it.

    A person's workspaces share one line, whatever their number, and so do the visitors of one network. What has been
    dispatched need not be looked at, since the clock has passed its tag.

    Args:
        network: where its visitor comes from; empty where it has none, pays, or nobody knows.
    """
    with prepared_cursor() as cursor:
        cursor.execute(
            "SELECT virtual_time, last_finish, open_clips, flow FROM generation_join_line(%s, %s)",
            [workspace.id, _line_without_a_person(workspace, network)],
        )
        return Standing(*cursor.fetchone())


def _line_without_a_person(workspace: Workspace | None, network: str) -> str:
    """The line of a workspace that nobody owns; empty of a newcomer of whom nobody knows where they come from."""
    if network and (workspace is None or workspace.is_visitor):
        return f"network:{network}"
    return "" if workspace is None else f"workspace:{workspace.id}"


def prospective_finish(workspace: Workspace | None, *, network: str, credits: int, weight: float) -> float:
    """Return the finish tag that a request would get now. Nothing is locked, so somebody else may still come first.

    The line is that of ``generation_join_line``. The caller looks across workspaces: a line may be of several.
    """
    own = None if workspace is None else workspace.id
    with prepared_cursor() as cursor:
        cursor.execute(_LAST_OF_LINE, [own, own, _line_without_a_person(workspace, network)])
        now, last_finish = cursor.fetchone()
    return next_finish(now=now, last_finish=last_finish, cost=credits, weight=weight)


_LAST_OF_LINE: Final = """
SELECT
    coalesce((SELECT virtual_time FROM generation_fairclock WHERE id = 1), 0),
    greatest(0, (
        SELECT fair_finish FROM generation_generation WHERE state = 'queued' AND flow <> '' AND flow = line.name
        ORDER BY fair_finish DESC LIMIT 1
    ), (
        SELECT max(fair_finish) FROM generation_generation
        WHERE workspace_id = %s::uuid AND state = 'queued' AND flow = ''
    ))
FROM (SELECT coalesce((
    SELECT 'person:' || user_id FROM accounts_membership WHERE workspace_id = %s::uuid AND role = 'owner'
), %s::text) AS name) AS line
"""


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
    """As many of one level as there could be places for, in fair order."""
    if level.free <= 0:
        return []
    with db.connection.cursor() as cursor:
        cursor.execute(
            *first_by_size(
                "fair_finish, created_at, id, bytes",
                most=level.free,
                up_to_bytes=level.up_to_bytes,
                above_bytes=level.above_bytes,
            )
        )
        return [_Waiting(Key(*key), needs_bytes) for *key, needs_bytes in cursor.fetchall()]
