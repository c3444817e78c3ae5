"""How many clips are ahead of one that waits, at a cost that does not grow with the queue.

A look reads what is in flight and the first few dozen of the fair queue, however many callers then ask it. Places
among those are exact. Of a clip that waits deeper it knows a lower bound, or about how many are ahead where
``queue_depth`` has counted that far. Each place says which of the three it is.
"""

from __future__ import annotations

import math
import uuid
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import starmap
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.models import Generation, State
from generation.scheduling import queue_depth
from generation.scheduling.fair_order import Key, first_that_fit, key_of
from generation.tiers import FREE_BEGINS, MOST_PASSES, yields
from loremotion.prepared import send_for_all

EXACT: Final = 48
"""So many of the fair queue are read at each look."""
_HELD_UP: Final = "held up"


class Precision(StrEnum):
    EXACT = "exactly"
    ABOUT = "about"
    AT_LEAST = "more than"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one open request stands."""

    number: int
    """How many are before it, running ones included as long as they need a card; 0 when it runs."""
    precision: Precision = Precision.EXACT
    is_held_up: bool = False
    """Whether it waits while clips cannot be stored: see ``storage_pause``."""
    is_made: bool = False
    """Whether it waits for its signature alone."""

    @property
    def clips_ahead(self) -> str:
        """In words of staff: "1 clip", "about 4,200 clips"."""
        if self.precision == Precision.EXACT:
            return "1 clip" if self.number == 1 else f"{self.number:,} clips"
        return f"{self.precision} {_rounded(self.number):,} clips"

    def in_words(self) -> str:
        """A sentence for whoever waits: "1 clip ahead of you.", "About 4,200 clips ahead of you." """
        if self.precision == Precision.EXACT:
            words = ngettext("%(count)s clip ahead of you.", "%(count)s clips ahead of you.", self.number)
            return words % {"count": intcomma(self.number)}
        if self.precision == Precision.ABOUT:
            words = _("About %(count)s clips ahead of you.")
        else:
            words = _("More than %(count)s clips ahead of you.")
        return words % {"count": intcomma(_rounded(self.number))}


def _rounded(number: int) -> int:
    """Return the number rounded down to two significant figures."""
    unit: int = 10 ** max(0, len(str(number)) - 2)
    return number // unit * unit


class Row(NamedTuple):
    """A clip that is open, as far as its place hangs on it."""

    id: uuid.UUID
    state: str
    dispatched_at: datetime | None
    fair_finish: float
    created_at: datetime
    workspace_id: uuid.UUID | None
    passes: int
    is_aside: bool
    """Whether its render lets short clips go first."""


_KEY: Final = attrgetter(*Key._fields)
"""Of a row, what a ``Key`` is compared with."""


class Look:
    """The queue of one moment, as ``look`` reads it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.is_held_up = any(row.state == _HELD_UP for row in rows)
        waiting = sorted((row for row in rows if row.state == State.QUEUED), key=_KEY)
        self._is_whole = len(waiting) <= EXACT
        self._front = waiting[:EXACT]
        keys: list[tuple[Any, ...]] = [_KEY(row) for row in waiting]
        self._keys = keys[:EXACT]
        self._running = {row.id for row in rows if row.state == State.RUNNING}
        self._signing: Collection[str] = ()
        dispatched = [row for row in rows if row.state == State.DISPATCHED and row.dispatched_at is not None]
        dispatched.sort(key=lambda row: (yields(row.fair_finish), row.dispatched_at, _KEY(row)))
        self._dispatched: dict[uuid.UUID, int] = {}
        self._ahead = in_line = 0
        for row in dispatched:
            self._dispatched[row.id] = in_line
            in_line += not row.is_aside
            self._ahead += not (row.is_aside or yields(row.fair_finish))
        self._in_line = in_line
        yielding = [row for row in dispatched if yields(row.fair_finish)]
        self._passes = yielding[0].passes if yielding else 0
        waiting_free = len(keys) - bisect_left(keys, (FREE_BEGINS,))
        self._free = len(yielding) + waiting_free if self._is_whole else math.inf
        self.depth: queue_depth.Depth | None = None
        """As the caller knows it; None: it is read once it is needed."""

    def leave_out(self, signing: Collection[str]) -> None:
        """Count clips with these ids ahead of nobody: they are made, and wait to be signed."""
        self._signing = signing

    @property
    def _clips_on_cards(self) -> int:
        return len(self._running) - sum(str(each) in self._signing for each in self._running)

    def place_of(self, generation: Generation) -> Place:
        """Return where the open request stands.

        It may have been read before this look and dispatched since, so it is never counted ahead of itself.
        """
        if generation.state == State.RUNNING or generation.id in self._running:
            return Place(0, is_made=str(generation.id) in self._signing)
        if generation.id in self._dispatched:
            return Place(self._clips_on_cards + self._dispatched[generation.id])
        if generation.state == State.DISPATCHED:  # and has gone on since it was read
            return Place(0)
        return self._place_in_queue(key_of(generation))

    def place_of_new(self, tag: float) -> Place:
        """Return where a request would stand that came now and got this tag."""
        return self._place_in_queue(Key(tag, timezone.now(), uuid.uuid4()))

    def waiting_before(self, generation: Generation) -> list[Row]:
        """Return those of the first few dozen in the fair queue that are ahead of the request; none once it has left
        it."""
        if generation.state != State.QUEUED or generation.id in self._running or generation.id in self._dispatched:
            return []
        return self._before(key_of(generation))

    def _before(self, key: Key) -> list[Row]:
        return self._front[: bisect_left(self._keys, key)]

    def _place_in_queue(self, key: Key) -> Place:
        before = self._before(key)
        is_behind_all = yields(key.fair_finish)
        number = self._clips_on_cards + (self._in_line if is_behind_all else self._ahead)
        if self._is_whole or len(before) < len(self._front):
            brought = 0 if is_behind_all else self._brought_by(len(before))
            return Place(number + len(before) + brought, is_held_up=self.is_held_up)
        deep = self._depth_of_the_queue().before(key)
        if deep is None or deep < len(before):
            return Place(number + len(before), Precision.AT_LEAST, self.is_held_up)
        return Place(number + deep, Precision.ABOUT, self.is_held_up)

    def _brought_by(self, paid: int) -> int:
        """Return how many free clips stop yielding while ``paid`` paid ones go before them: see ``tiers``."""
        return int(min(self._free, (self._passes + paid) // MOST_PASSES))

    def _depth_of_the_queue(self) -> queue_depth.Depth:
        if self.depth is None:
            self.depth = queue_depth.read()
        return self.depth


def look(largest_bytes: int) -> Look:
    """Return the queue of this moment, in one query; within ``looked_once`` as ``dispatch`` saw it, if it did.

    Clips that no machine that is on could make are ahead of nobody, so they are left out: ``largest_bytes`` is what
    the largest machine may use, or ``REMOTE_BYTES`` for the line of the remote workers, which is another.
    """
    kept = _kept.get()
    found = None if kept is None else kept.get(largest_bytes)
    return send_look(largest_bytes)() if found is None else found


def send_look(largest_bytes: int) -> Callable[[], Look]:
    """Send the query of ``look``, and return what reads its answer."""
    waiting_sql, values = first_that_fit(_COLUMNS, most=EXACT + 1, up_to_bytes=largest_bytes)
    answered = send_for_all(f"{_in_flight(is_remote=largest_bytes < 0)} UNION ALL ({waiting_sql})", values)
    return lambda: Look(list(starmap(Row, answered())))


_kept: ContextVar[dict[int, Look] | None] = ContextVar("look_kept", default=None)
"""By ``largest_bytes``."""


@contextmanager
def looked_once() -> Iterator[None]:
    """Keep the look that a dispatch within the block takes, for callers who then ask how a request stands."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def is_looked_for() -> bool:
    """Return whether a caller will ask for the queue as dispatch leaves it."""
    return _kept.get() is not None


def keep(seen: Look | None, largest_bytes: int) -> None:
    """Keep what a dispatch saw to the end of the block; None once it has changed the queue."""
    kept = _kept.get()
    if kept is not None:
        kept.clear()
        if seen is not None:
            kept[largest_bytes] = seen


def place_of(generation: Generation, largest_bytes: int) -> Place:
    """Return where the open request stands, in one query."""
    return look(largest_bytes).place_of(generation)


_COLUMNS: Final = "id, state, NULL::timestamptz, fair_finish, created_at, workspace_id, 0, false"


def _in_flight(*, is_remote: bool) -> str:
    """What is in the line of one kind of worker, or in its hands."""
    return _IN_FLIGHT.replace("_kind_", "< 0" if is_remote else ">= 0")


_IN_FLIGHT: Final = f"""
SELECT id, state, dispatched_at, fair_finish, created_at, NULL::uuid AS workspace_id, passes,
    kept_by <> '' AS is_aside
FROM generation_generation WHERE state IN ('dispatched', 'running')
    AND coalesce(needs_bytes, 0) _kind_
UNION ALL
SELECT NULL, '{_HELD_UP}', NULL, 0, NULL, NULL, 0, false FROM generation_storagepause WHERE until IS NOT NULL
"""  # noqa: S608 - a word of ours
