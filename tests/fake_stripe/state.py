"""Everything the server remembers, and the clock that can be moved forward."""

from __future__ import annotations

import copy
import heapq
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fake_stripe.errors import not_found

Object = dict[str, Any]
Timer = tuple[int, int, str, str]
"""When it is due, its place among those of that moment, what happens then, and to whom."""

DAY_SECONDS = 24 * 3600
API_VERSION = "2026-10-28.endive"


class State:
    """Objects by id, events in the order in which they happened, and what is due when.

    Args:
        path: a file that the state is read from and kept in, so that a site which outlives the server still finds its
            customers; None forgets.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.objects: dict[str, Object] = {}
        self.events: list[Object] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.ahead_seconds = 0
        self.declines_left = 0
        self._due: list[Timer] = []
        self._order = itertools.count()
        self._path = path
        self._timers: dict[str, Callable[[str], None]] = {}
        self._remembered = self._contents()
        if path is not None and path.exists():
            kept = json.loads(path.read_text())
            self.objects, self.events = kept["objects"], kept["events"]
            self.ahead_seconds = kept["ahead_seconds"]
            for at, _, what, subject in kept["due"]:
                self.at(at, what, subject)

    def keep(self) -> None:
        if self._path is not None:
            kept = {
                "objects": self.objects,
                "events": self.events[-1_000:],
                "ahead_seconds": self.ahead_seconds,
                "due": self._due,
            }
            draft = self._path.with_suffix(".part")
            draft.write_text(json.dumps(kept))
            draft.replace(self._path)

    # --- as it was -------------------------------------------------------------------------------------------

    def remember(self) -> None:
        """Keep everything as it is now, for ``go_back``."""
        self._remembered = self._contents()

    def go_back(self) -> None:
        """Forget whatever happened since ``remember``."""
        objects, events, answers, ahead_seconds, declines_left, due = copy.deepcopy(self._remembered)
        self.objects, self.events, self.answers, self._due = objects, events, answers, due
        self.ahead_seconds, self.declines_left = ahead_seconds, declines_left

    def _contents(self) -> tuple[dict[str, Object], list[Object], dict[str, dict[str, Any]], int, int, list[Timer]]:
        return copy.deepcopy(
            (self.objects, self.events, self.answers, self.ahead_seconds, self.declines_left, self._due)
        )

    # --- objects ---------------------------------------------------------------------------------------------

    def add(self, prefix: str, kind: str, fields: Object, *, object_id: str | None = None) -> Object:
        """A new object with the fields that every object of Stripe's has."""
        made = {
            "id": object_id or f"{prefix}_{secrets.token_hex(12)}",
            "object": kind,
            "created": self.now(),
            "livemode": False,
            **fields,
        }
        self.objects[made["id"]] = made
        return made

    def get(self, object_id: str, kind: str) -> Object:
        """The object with this id.

        Raises:
            StripeRefused: there is none of this kind.
        """
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            raise not_found(object_id)
        return found

    def of_kind(self, kind: str) -> Iterator[Object]:
        """All of them, newest first."""
        return reversed([one for one in self.objects.values() if one["object"] == kind])

    # --- events ----------------------------------------------------------------------------------------------

    def emit(self, kind: str, subject: Object) -> None:
        """Write down that ``kind`` happened to ``subject``, as it is at this moment."""
        self.events.append(
            {
                "id": f"evt_{secrets.token_hex(12)}",
                "object": "event",
                "api_version": API_VERSION,
                "created": self.now(),
                "livemode": False,
                "type": kind,
                "data": {"object": copy.deepcopy(public(subject))},
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
            }
        )

    # --- time ------------------------------------------------------------------------------------------------

    def now(self) -> int:
        return int(time.time()) + self.ahead_seconds

    def when_due(self, what: str, act: Callable[[str], None]) -> None:
        """``act(subject)`` is what happens when a timer called ``what`` is due."""
        self._timers[what] = act

    def at(self, moment: int, what: str, subject: str) -> None:
        """Have ``what`` happen to ``subject`` at ``moment``."""
        heapq.heappush(self._due, (moment, next(self._order), what, subject))

    def advance(self, seconds: int) -> None:
        """Let time pass, and what is due on the way happen in its order, each at its own moment."""
        target = self.now() + seconds
        while self._due and self._due[0][0] <= target:
            moment, _, what, subject = heapq.heappop(self._due)
            self.ahead_seconds += max(0, moment - self.now())
            self._timers[what](subject)
        self.ahead_seconds += max(0, target - self.now())


def public(subject: Object) -> Object:
    """An object as it leaves the server: without the fields that are only the server's, and those that are expanded."""
    return {name: value for name, value in subject.items() if not name.startswith("_")}
