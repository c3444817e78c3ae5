"""Answers that last, of which one reader is given so many at once and not more, counted in this process."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse

from loremotion.refusals import TooMany


class Places:
    """The places of every reader, each counted by ``reader``. None is counted for nobody (None)."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._taken: Counter[UUID] = Counter()
        self._lock = Lock()

    def take(self, reader: UUID | None, *, most: int) -> Place:
        """Return a place, which whoever takes it leaves.

        Raises:
            TooMany: ``reader`` has ``most`` already.
        """
        with self._lock:
            if reader is not None and self._taken[reader] >= most:
                raise TooMany(
                    "too_many_streams",
                    f"{most} {self._what} are being sent to you already.",
                    next_step="Wait until one of them has ended.",
                    retry_after_seconds=10,
                )
            if reader is not None:
                self._taken[reader] += 1
        return Place(self, reader)

    def give_back(self, reader: UUID) -> None:
        with self._lock:
            self._taken[reader] -= 1
            if not self._taken[reader]:
                del self._taken[reader]


class Place:
    """One of a reader's places, until it is left."""

    def __init__(self, places: Places, reader: UUID | None) -> None:
        self._places = places
        self._reader = reader

    def leave(self) -> None:
        """Give it back. Done twice, it is done once."""
        reader, self._reader = self._reader, None
        if reader is not None:
            self._places.give_back(reader)


class PlacedStream(StreamingHttpResponse):
    """A streamed answer that has a place until it is closed, however it ends."""

    def __init__(self, parts: Any, *, place: Place, **more: Any) -> None:
        self._place = place
        super().__init__(parts, **more)

    def close(self) -> None:
        super().close()
        self._place.leave()
