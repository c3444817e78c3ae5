"""When each kind of process last did its work, in Valkey and by its clock, so that one that only looks alive is found.

A process says it with a key that expires; how much of the lifetime is left tells the age, whatever the clock of a host.
Stands in ``gpu_worker`` because both sides say it, and the website may import from here but nothing the other way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

import redis

logger = logging.getLogger(__name__)

GPU: Final = "gpu"
REMOTE: Final = "remote"
REMEMBERED_SECONDS: Final = 7 * 24 * 3600
EVERY_SECONDS: Final = 3.0


def process_key(process: str) -> str:
    return f"process:{process}"


def ages_seconds(connection: redis.Redis, processes: Iterable[str]) -> dict[str, float | None]:
    """Return the seconds since each process last worked; None where none of its kind has for a week."""
    names = list(processes)
    with connection.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.pttl(process_key(name))
        left_ms = pipeline.execute()
    return {
        name: max(0.0, REMEMBERED_SECONDS - left / 1000) if left > 0 else None
        for name, left in zip(names, left_ms, strict=True)
    }


class LastWork:
    """Notes that one process has worked: at most every few seconds, and never in the way of the work itself."""

    def __init__(self, connection: redis.Redis, process: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._process = process
        self._clock = clock
        self._next = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether the next note is written rather than left out."""
        return self._clock() >= self._next

    def note(self) -> None:
        """Write that the process has just worked, if that is due. Without Valkey it stays unsaid."""
        if not self.is_due:
            return
        self._next = self._clock() + EVERY_SECONDS
        try:
            self._connection.set(process_key(self._process), 1, ex=REMEMBERED_SECONDS)
        except redis.RedisError as problem:
            logger.info("That %s works is not noted: %s", self._process, problem)
