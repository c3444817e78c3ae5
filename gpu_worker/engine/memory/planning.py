"""Which components have to leave so that others fit: pure functions over plain facts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """What is known of one component on the device."""

    key: str
    size_bytes: int
    last_used: int
    """Tick of its last use; larger is later, and no two are equal."""
    uses: int = 1
    load_seconds: float = 0.0
    """What it costs to bring it back."""
    age_floor: float = 0.0
    """GDSF's inflation when it was last used."""
    is_leased: bool = False


Policy = Callable[[Resident], float]
"""The worth of keeping a component; the least worthy leaves first."""


def lru(resident: Resident) -> float:
    """Least recently used leaves first."""
    return float(resident.last_used)


def gdsf(resident: Resident) -> float:
    """Greedy-dual size frequency: what is used often and dear to reload for its size stays longer."""
    return resident.age_floor + resident.uses * resident.load_seconds / max(1, resident.size_bytes)


POLICIES: Mapping[str, Policy] = {"lru": lru, "gdsf": gdsf}


class RoomMissing(Exception):
    """Even with everything evicted that may go, ``short_bytes`` are missing."""

    def __init__(self, short_bytes: int) -> None:
        super().__init__(f"{short_bytes} bytes are missing")
        self.short_bytes = short_bytes


def plan(
    residents: Collection[Resident],
    *,
    free_bytes: int,
    needed_bytes: int,
    upcoming: Sequence[Collection[str]] = (),
    policy: Policy = lru,
) -> list[str]:
    """The keys to evict, in order, so that ``needed_bytes`` fit beside what stays.

    Leased components never leave. What the ``upcoming`` jobs need (next job first) leaves only
    after everything else, the furthest job's first, and none of it leaves if the bytes fit without that. The answer
    depends on the arguments alone, and without its last entry the bytes would not fit.

    Raises:
        RoomMissing: the bytes do not fit however much is evicted.
    """
    next_use: dict[str, int] = {}
    for distance, keys in enumerate(upcoming):
        for key in keys:
            next_use.setdefault(key, distance)
    furthest = len(upcoming)
    candidates = sorted(
        (r for r in residents if not r.is_leased),
        key=lambda r: (-next_use.get(r.key, furthest), policy(r), r.last_used),
    )
    evictions = []
    for resident in candidates:
        if free_bytes >= needed_bytes:
            break
        evictions.append(resident.key)
        free_bytes += resident.size_bytes
    if free_bytes < needed_bytes:
        raise RoomMissing(needed_bytes - free_bytes)
    # The last to leave may be large enough to make an earlier one's leaving pointless.
    sizes = {r.key: r.size_bytes for r in residents}
    for key in [key for key in reversed(evictions) if key in next_use]:
        if free_bytes - sizes[key] >= needed_bytes:
            evictions.remove(key)
            free_bytes -= sizes[key]
    return evictions
