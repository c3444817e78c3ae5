"""How many streamed answers one reader is given at once, counted in this process."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from loremotion.refusals import TooMany

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class StreamLimit:
    """Counts the slots of every ``reader``. None is counted for nobody (None).

    A slot that is dropped without being released is free as well: the answer of whoever hangs up while it is being made
    is never closed by anybody.
    """

    def __init__(self, what: StrOrPromise, *, most_in_all: int | None = None) -> None:
        """
        Args:
            what: plural, as a sentence has it in the middle.
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
                    _("Too many %(what)s are being sent right now.") % {"what": self._what},
                    next_step=_("Try again in a few seconds."),
                    retry_after_seconds=10,
                )
            if sum(other == reader for other in self._taken.values()) >= most:
                raise TooMany(
                    "too_many_streams",
                    _("%(most)s %(what)s are being sent to you already.") % {"most": most, "what": self._what},
                    next_step=_("Wait until one of them has ended."),
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
