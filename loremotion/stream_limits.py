"""How many streamed answers one reader is given at once, counted in this process."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from django.http import StreamingHttpResponse

from loremotion.refusals import TooMany


class StreamLimit:
    """Counts the slots of every ``reader``. None is counted for nobody (None).

    A slot that is dropped without being released is free as well: the answer of whoever hangs up while it is being made
    is never closed by anybody.
    """

    def __init__(self, what: str, *, most_in_all: int | None = None) -> None:
        """
        Args:
            most_in_all: of all readers together; None for any number.
        """
        self._what = what
        self._most_in_all = most_in_all
        self._taken: WeakKeyDictionary[Slot, Hashable] = WeakKeyDictionary()
        self._lock = Lock()

    def take(self, reader: Hashable | None, *, most: int) -> Slot:
        """Return a slot, which whoever takes it releases.

        Raises:
            TooMany: ``reader`` has ``most`` already, or all of them together have as many as may be.
        """
        slot = Slot(self)
        if reader is None:
            return slot
        with self._lock:
            if self._most_in_all is not None and len(self._taken) >= self._most_in_all:
                raise TooMany(
                    "busy",
                    f"Too many {self._what} are being sent right now.",
                    next_step="Try again in a few seconds.",
                    retry_after_seconds=10,
                )
            if sum(other == reader for other in self._taken.values()) >= most:
                raise TooMany(
                    "too_many_streams",
                    f"{most} {self._what} are being sent to you already.",
                    next_step="Wait until one of them has ended.",
                    retry_after_seconds=10,
                )
            self._taken[slot] = reader
        return slot

    def give_back(self, slot: Slot) -> None:
        with self._lock:
            self._taken.pop(slot, None)


class Slot:
    """One of a reader's streams, until it is released or dropped."""

    def __init__(self, limit: StreamLimit) -> None:
        self._limit = limit

    def release(self) -> None:
        """Give it back. Done twice, it is done once."""
        self._limit.give_back(self)


class LimitedStream(StreamingHttpResponse):
    """A streamed answer that has a slot until it is closed, however it ends.

    Args:
        keeps_thread: whether the request's own thread makes the parts. One that waits on the loop for most of its time
            gives it up, and asks a shared one.
    """

    def __init__(self, parts: Any, *, slot: Slot, keeps_thread: bool = True, **more: Any) -> None:
        self._slot = slot
        self.keeps_thread = keeps_thread
        super().__init__(parts, **more)

    def close(self) -> None:
        super().close()
        self._slot.release()
