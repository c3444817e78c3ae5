"""What a GPU worker says of itself with every heartbeat, as both sides read it."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from gpu_worker.step_aside import NEVER, AsideBounds
from gpu_worker.wire import Wire

logger = logging.getLogger(__name__)

CONTRACT_VERSION = 1
"""Of the messages between site and GPU hosts, named by each heartbeat, so that what cannot be read says whose fault it
may be.
"""
DRAINING = "draining"  # state of a worker that finishes what it has and takes nothing more
MOST_BYTES, MOST_KEPT_BYTES = 2**16, 2**25
"""Of one heartbeat, ten times what one with thirty components has; and of all that a process remembers."""
CLOCK_MAY_DIFFER_SECONDS = 5.0
"""From the store's. Who is alive does not depend on it, but times in reports and logs do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentComponent(Wire):
    """One component as the fleet page shows it."""

    key: str = ""
    name: str = ""
    size_bytes: int = 0
    tier: str = ""
    """``device``, ``pinned`` or ``ram``."""
    last_used: float = 0.0
    leases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStatus(Wire):
    """One of several cards of a worker."""

    name: str = ""
    """As in ``GPU_WORKER_DEVICE``."""
    budget_bytes: int = 0
    used_bytes: int = 0
    is_busy: bool = False
    """Whether it has part in the clip that the worker is at: some are made on the first card alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus(Wire):
    """What a worker says of itself with every heartbeat. No field is required: workers of any release are seen."""

    name: str = ""
    version: int = 0
    """``CONTRACT_VERSION`` of the worker's release; 0: of one before there were versions."""
    host: str = ""
    pid: int = 0
    device: str = ""
    budget_bytes: int = 0
    """0: not said; ``REMOTE_BYTES``: it has no card."""
    driver: str = ""
    """Its version, and what PyTorch was built for; empty on a processor."""
    used_bytes: int = 0
    state: str = "idle"
    """``starting``, ``idle``, ``busy`` or ``draining``."""
    generation_id: str | None = None
    """What the card is at, in this attempt and stage."""
    attempt: int = 0
    delivering_id: str | None = None
    """The clip before it, which has left the card and is still written or delivered, in this attempt."""
    delivering_attempt: int = 0
    stage: str = ""
    started_at: float = 0.0
    beat_at: float = 0.0
    clock_ahead_seconds: float = 0.0
    """Of the store's clock; negative: behind."""
    residents: tuple[ResidentComponent, ...] = ()
    """Of several cards: on the first. So are ``budget_bytes`` and ``used_bytes``."""
    cards: tuple[CardStatus, ...] = ()
    """All of them, the first too; empty where there is one."""
    counters: dict[str, float] = field(default_factory=dict)
    pairs: tuple[str, ...] = ()
    """Of which a remote worker can open what is sealed: see gpu_worker.sealed_keys."""
    aside: AsideBounds = NEVER
    """For how much a render steps aside there."""

    @property
    def is_remote(self) -> bool:
        """Whether it makes clips by other people's APIs, and has no card."""
        return self.budget_bytes < 0

    @property
    def in_hand(self) -> tuple[tuple[str, int], ...]:
        """Generation and attempt of all that it has: the clip that it delivers, then what its card is at."""
        both = ((self.delivering_id, self.delivering_attempt), (self.generation_id, self.attempt))
        return tuple((generation_id, attempt) for generation_id, attempt in both if generation_id)

    @property
    def clock_fault(self) -> str:
        """What is wrong with the host's clock, in words; empty if nothing is."""
        if abs(self.clock_ahead_seconds) <= CLOCK_MAY_DIFFER_SECONDS:
            return ""
        direction = "ahead of" if self.clock_ahead_seconds > 0 else "behind"
        return (
            f"The clock of {self.host} is {abs(self.clock_ahead_seconds):.0f} s {direction} the store's: set it by NTP."
        )


def read_status(name: str, said: bytes | None) -> WorkerStatus | None:
    """What the worker of this name says of itself; None where it says nothing, or nothing that can be read.

    One odd heartbeat hides one worker and nobody else. The log says once which, and why.
    """
    if said is None:
        return None
    return _readings.read(name, said)


class _Readings:
    """What each worker said last, and how that was read: whoever asks who is alive asks all of them each time.

    Any GPU host can say anything under any name, so together they hold so many bytes and no more.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[bytes, WorkerStatus | None]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, name: str, said: bytes) -> WorkerStatus | None:
        known = self._by_name.get(name)
        if known is None or known[0] != said:
            known = said, _read(name, said)
            with self._lock:
                self._bytes += len(said) - len(self._by_name.get(name, (b"",))[0])
                self._by_name[name] = known
                if self._bytes > MOST_KEPT_BYTES:
                    self._by_name, self._bytes = {}, 0
        return known[1]


_readings = _Readings()


def _read(name: str, said: bytes) -> WorkerStatus | None:
    version: Any = None
    try:
        if len(said) > MOST_BYTES:
            raise ValueError(f"it has {len(said)} bytes")
        message = json.loads(said)
        version = message.get("version") if isinstance(message, dict) else None
        return dataclasses.replace(WorkerStatus.from_wire(message), name=name)
    except (KeyError, TypeError, ValueError, RecursionError) as problem:
        _warn_once(name, f"{type(problem).__name__}: {problem}"[:200], repr(version)[:20])
        return None


@functools.lru_cache(maxsize=256)
def _warn_once(name: str, problem: str, version: str) -> None:
    logger.warning(
        "The heartbeat of %r cannot be read, so it counts as away (version %s, this is %s): %s",
        name[:200],
        version,
        CONTRACT_VERSION,
        problem,
    )
