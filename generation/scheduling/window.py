"""How many requests of which size may wait in RQ: no more of the large ones than the large machines can look at.

Machines are told apart by the memory that they may use. What needs more than ``b`` may take no more places than the
machines with more than ``b`` have, for every ``b``: so nothing that only one machine can make keeps the others idle,
and what no machine that is on can make takes no place at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from generation.scheduling.capacity import (
    LEAST_WINDOW,
    MOST_FOR_SOME,
    MOST_FREE_FOR_SOME,
    MOST_RESERVED_FOR_SOME,
    places_for,
)
from gpu_worker.contract import REMOTE_BYTES

JOBS_PER_REMOTE_WORKER = 2
"""One in hand and one next: there are no weights by which it could choose among more."""


@dataclass(slots=True)
class Level:
    """Requests that need more than ``above_bytes`` and at most ``up_to_bytes``. Larger ones use its places
    too."""

    above_bytes: int
    up_to_bytes: int
    places: int
    is_for_some: bool = False
    """Whether there are cards that can hold none of these."""
    paid: int = 0
    """In line, and larger ones too."""
    free: int = 0
    own_free: int = 0
    """In line, without larger ones."""

    def places_left(self, *, is_free: bool) -> int:
        """How many more of this tier may wait in line, of these and larger ones together."""
        if not is_free:
            return self._paid_places() - self.paid
        left = self.places - self.paid - self.free
        return min(left, MOST_FREE_FOR_SOME - self.free) if self.is_for_some else left

    def _paid_places(self) -> int:
        if not self.is_for_some:
            return self.places
        return min(self.places, MOST_FOR_SOME - min(self.free, MOST_FREE_FOR_SOME))

    def candidates(self, *, is_free: bool) -> int:
        """How many of this level's own might be let in now."""
        return max(self.places_left(is_free=is_free), int(is_free and not self.own_free))

    def may_reserve(self) -> bool:
        """Whether one more free clip may be let in past the places, so that its turn comes."""
        return not self.is_for_some or self.free < MOST_RESERVED_FOR_SOME

    def count(self, needs_bytes: int, *, is_free: bool, by: int = 1) -> None:
        if needs_bytes <= self.above_bytes:
            return
        if not is_free:
            self.paid += by
            return
        self.free += by
        if needs_bytes <= self.up_to_bytes:
            self.own_free += by


class InLine(NamedTuple):
    """What is in RQ already. ``needs_bytes`` is None where that is not known, and taken for small."""

    needs_bytes: int | None
    is_free: bool
    """Whether it yields: see ``tiers``."""


class Window:
    """How many more requests of each size and tier RQ may hold now, with machines of these ``budgets`` in bytes.

    Free requests hold up no paid ones, which go before them. One free request of each level is let in even while others
    hold all places, so that its turn comes. Of what some cards cannot hold, no more is in line than lets those cards
    find what they can, however far both tiers fill it.
    """

    def __init__(self, budgets: Iterable[int], in_line: Iterable[InLine], remote_workers: int = 0) -> None:
        """``remote_workers`` have no memory and a line of their own: the places of either kind are no concern of the
        other's. While there is none, what they make waits in the fair queue."""
        sizes = sorted(budgets)
        self.remote = (
            [Level(REMOTE_BYTES - 1, REMOTE_BYTES, max(LEAST_WINDOW, JOBS_PER_REMOTE_WORKER * remote_workers))]
            if remote_workers
            else []
        )
        self.levels: list[Level] = []
        above = -1
        for size in sorted(set(sizes)):
            machines = sum(budget >= size for budget in sizes)
            self.levels.append(Level(above, size, places_for(machines, len(sizes)), is_for_some=above >= 0))
            above = size
        for each in in_line:
            self._count(each.needs_bytes or 0, is_free=each.is_free)

    def take(self, needs_bytes: int | None, *, is_free: bool) -> bool:
        """Take a place for a request of this size and tier. Return whether there was one."""
        is_there = self.has_place(needs_bytes, is_free=is_free)
        if is_there:
            self._count(needs_bytes or 0, is_free=is_free)
        return is_there

    def has_place(self, needs_bytes: int | None, *, is_free: bool) -> bool:
        """Whether there is a place for a request of this size and tier."""
        needed = needs_bytes or 0
        levels = [level for level in self._levels_of(needed) if level.above_bytes < needed]
        if not levels or needed > levels[-1].up_to_bytes:
            return False
        is_reserved = is_free and not levels[-1].own_free and all(level.may_reserve() for level in levels)
        return is_reserved or all(level.places_left(is_free=is_free) > 0 for level in levels)

    def _levels_of(self, needs_bytes: int) -> list[Level]:
        return self.remote if needs_bytes < 0 else self.levels

    def _count(self, needs_bytes: int, *, is_free: bool) -> None:
        for level in self._levels_of(needs_bytes):
            level.count(needs_bytes, is_free=is_free)
