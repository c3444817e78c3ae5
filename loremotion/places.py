"""Answers that last, of which one reader is given so many at once and not more, counted in this process."""

from __future__ import annotations

from threading import Lock
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.http import StreamingHttpResponse

from loremotion.refusals import TooMany


class Places:
    """The places of every reader, each counted by ``reader``. None is counted for nobody (None).

    A place that is dropped without being left is free as well: the answer of whoever hangs up while it is being made is
    never closed by anybody.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._taken: WeakKeyDictionary[Place, UUID] = WeakKeyDictionary()
        self._lock = Lock()

    def take(self, reader: UUID | None, *, most: int) -> Place:
        """Return a place, which whoever takes it leaves.

        Raises:
            TooMany: ``reader`` has ``most`` already.
        """
        place = Place(self)
        if reader is None:
            return place
        with self._lock:
            if sum(other == reader for other in self._taken.values()) >= most:
                raise TooMany(
                    "too_many_streams",
                    f"{most} {self._what} are being sent to you already.",
                    next_step="Wait until one of them has ended.",
                    retry_after_seconds=10,
                )
            self._taken[place] = reader
        return place

    def give_back(self, place: Place) -> None:
        with self._lock:
            self._taken.pop(place, None)


class Place:
    """One of a reader's places, until it is left or dropped."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def leave(self) -> None:
        """Give it back. Done twice, it is done once."""
        self._places.give_back(self)


class PlacedStream(StreamingHttpResponse):
    """A streamed answer that has a place until it is closed, however it ends."""

    def __init__(self, parts: Any, *, place: Place, **more: Any) -> None:
        self._place = place
        super().__init__(parts, **more)

    def close(self) -> None:
        super().close()
        self._place.leave()
