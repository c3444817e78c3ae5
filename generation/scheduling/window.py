"""How many requests of which size may wait in RQ: no more of the large ones than the large machines can look at.

Machines are told apart by the memory that they may use. What needs more than ``b`` may take no more places than the
machines with more than ``b`` have, for every ``b``: so nothing that only one machine can make keeps the others idle,
and what no machine that is on can make takes no place at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from generation.scheduling.fleet import JOBS_PER_WORKER, LEAST_WINDOW


@dataclass(slots=True)
class Level:
    """Requests that need more than ``above_bytes`` and at most ``up_to_bytes``. ``free`` places are for them and for
    everything larger."""

    above_bytes: int
    up_to_bytes: int
    free: int


class Window:
    """The window of the moment. ``budgets`` are the machines', ``waiting`` what is in RQ already; None: not known, and
    taken for small."""

    def __init__(self, budgets: Iterable[int], waiting: Iterable[int | None]) -> None:
        sizes = sorted(budgets)
        taken = [needed or 0 for needed in waiting]
        self.levels: list[Level] = []
        above = -1
        for size in sorted(set(sizes)):
            machines = sum(budget >= size for budget in sizes)
            places = max(LEAST_WINDOW, JOBS_PER_WORKER * machines)
            self.levels.append(Level(above, size, places - sum(needed > above for needed in taken)))
            above = size

    def take(self, needs_bytes: int | None) -> bool:
        """Whether there was a place for a request of this size; it is taken then."""
        needed = needs_bytes or 0
        asked = [level for level in self.levels if level.above_bytes < needed]
        if not self.levels or needed > self.levels[-1].up_to_bytes or any(level.free <= 0 for level in asked):
            return False
        for level in asked:
            level.free -= 1
        return True

    @property
    def is_full(self) -> bool:
        return not self.levels or self.levels[0].free <= 0
