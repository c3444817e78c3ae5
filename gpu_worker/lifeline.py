"""The pipe from a worker to the supervisor above it: which jobs are held, and how long silence is in order.

Whoever works on a job speaks for itself: the main thread, which has the card, and the thread that delivers the clip
before. Nobody speaks for another, as a heartbeat thread would, which stays alive over a hung GPU. Each message replaces
the last one of its speaker; one that stays silent for longer than it announced is stuck.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from dataclasses import dataclass
from typing import NamedTuple

MAIN, DELIVERY = "main", "delivery"
"""Who speaks. Of a delivery there is nothing to hear while there is none."""


@dataclass(frozen=True, slots=True)
class Word:
    """The latest word of one who works: its job, and how long silence is in order."""

    job_id: str | None
    """RQ's id of the job in its hands."""
    patience_seconds: float
    """Silence beyond this means that it is stuck."""
    speaker: str = MAIN


class Heard(NamedTuple):
    """A word, and when it was heard."""

    word: Word
    at: float

    @property
    def ends_at(self) -> float:
        return self.at + self.word.patience_seconds


class Words:
    """The latest word of each who works in one process."""

    def __init__(self, first: Word, now: float) -> None:
        self._heard = {first.speaker: Heard(first, now)}

    def hear(self, word: Word, now: float) -> None:
        if word.speaker == DELIVERY and word.job_id is None:
            self._heard.pop(DELIVERY, None)
        else:
            self._heard[word.speaker] = Heard(word, now)

    @property
    def job_ids(self) -> frozenset[str]:
        """RQ's ids of the jobs in its hands."""
        return frozenset(heard.word.job_id for heard in self._heard.values() if heard.word.job_id is not None)

    @property
    def first_to_end(self) -> Heard:
        """The word after which silence is the first to mean that somebody there is stuck."""
        return min(self._heard.values(), key=lambda heard: heard.ends_at)


class Lifeline:
    """The worker's end. Without a descriptor (a worker run by hand, without a supervisor) it says nothing.

    A supervisor that does not read (suspended in a debugger) does not stop the render: what the pipe has no room for is
    kept, by speaker, until anybody speaks again. The end of a delivery is said once.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._last = Word(None, 60.0, MAIN)
        self._unsaid: dict[str, Word] = {}
        self._lock = threading.RLock()
        if descriptor is not None:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)

    def say(self, job_id: str | None, patience_seconds: float) -> None:
        self._last = Word(job_id, patience_seconds, self._last.speaker)
        self.repeat()

    def for_delivery(self) -> Lifeline:
        """Return the lifeline of the thread that delivers clips."""
        other = Lifeline(self._descriptor)
        other._last = Word(None, 60.0, DELIVERY)
        other._unsaid, other._lock = self._unsaid, self._lock
        return other

    def repeat(self) -> None:
        """Say the last word again: still at it."""
        if self._descriptor is None:
            return
        with self._lock:
            self._unsaid[self._last.speaker] = self._last
            try:
                for speaker, word in list(self._unsaid.items()):
                    os.write(self._descriptor, json.dumps(dataclasses.astuple(word)).encode() + b"\n")
                    del self._unsaid[speaker]
            except BlockingIOError:  # full: a line goes whole or not at all
                return
            except BrokenPipeError:
                raise SystemExit("The supervisor is gone; this worker ends with it.") from None


class Listener:
    """The supervisor's end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""
        os.set_blocking(descriptor, False)

    def words(self) -> list[Word]:
        """The words since the last call; empty after the worker's death."""
        while True:
            try:
                piece = os.read(self.descriptor, 65_536)
            except BlockingIOError:
                break
            self._rest += piece
            if not piece:
                break
        *lines, self._rest = self._rest.split(b"\n")
        return [Word(*json.loads(line)) for line in lines]

    def close(self) -> None:
        os.close(self.descriptor)
