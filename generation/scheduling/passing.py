"""What stepping aside does for whoever has asked for nothing yet: a short clip may go before a long render, which is
then ready later. A clip that waits is played with it (``simulated_asides``); of a new one this says so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from generation.scheduling.calibration import Range
from generation.scheduling.futures import Floats
from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Machine, Snapshot
from generation.tiers import FREE_BEGINS, yields

COSTS_SECONDS: Final = (5.0, 15.0, 45.0, 135.0, 405.0)
"""Sizes of clips that are told apart: their seconds on a card, with those of loading there and back."""
_PERCENTILES: Final = (10, 50, 90)
_NEVER: Final = 1e9
_TIER_ENDS: Final = {False: math.nextafter(FREE_BEGINS, 0.0), True: 1e300}


def tags_of(snapshot: Snapshot) -> tuple[float, ...]:
    """Return the tags in the fair queue that are looked at: of each tier just before all that wait outside of RQ's
    line, and behind all of them that are played."""
    found: set[float] = set()
    for is_free, clock in ((False, snapshot.clock), (True, snapshot.free_clock)):
        tags = [clip.tag for clip in snapshot.queue if yields(clip.tag) == is_free and not clip.is_probe]
        found |= {math.nextafter(min(tags), 0.0), max(tags)} if tags else {clock}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Passing:
    """When clips that come may go before long renders, and what they do to a long one that comes."""

    starts: Mapping[float, tuple[Range, ...]] = field(default_factory=dict)
    """By tag, ascending, for each of ``COSTS_SECONDS``: when one of that tag and size may go first."""
    loading_seconds: Mapping[str, float] = field(default_factory=dict)
    """What such a machine loads for it, by build."""
    least_seconds: float = _NEVER
    """A new clip that takes longer may have to let others pass."""
    most_seconds: float = 0.0
    most_share: float = 0.0
    """For so long in all, and for such a share of its own time."""
    share: float = 0.0
    """Of its time, for which others come now."""

    def start(self, tag: float, service: Spread, build: str) -> tuple[Range, float] | None:
        """Return when a new clip may go before a long render, with the seconds that it loads for then; None where it
        may not, or nobody knows."""
        loading = self.loading_seconds.get(build)
        if loading is None:
            return None
        cost = service.median_seconds + 2 * loading
        size = next((n for n, most in enumerate(COSTS_SECONDS) if cost <= most), None)
        found_at = next((each for each in self.starts if tag <= each and yields(each) == yields(tag)), None)
        if size is None or found_at is None:
            return None
        found = self.starts[found_at][size]
        return None if found.low >= _NEVER else (found, loading)

    def later(self, ready: Range, service: Spread) -> Range:
        """Return when a new clip is ready that would be so then if it let nobody pass."""
        if service.median_seconds < self.least_seconds:
            return ready
        most = min(self.most_seconds, self.most_share * service.median_seconds)
        usual = min(most, self.share * service.median_seconds)
        return Range(ready.low, ready.mid + usual, ready.high + min(most, 2 * usual))

    def to_json(self) -> dict[str, Any]:
        starts = [[tag, [each.ends for each in ranges]] for tag, ranges in self.starts.items()]
        return {
            "starts": starts,
            "loading": dict(self.loading_seconds),
            "long": [self.least_seconds, self.most_seconds, self.most_share, self.share],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """
        Raises:
            LookupError, TypeError, ValueError, AttributeError: it is none of ``to_json``'s.
        """
        starts = {float(tag): tuple(Range(*map(float, ends)) for ends in each) for tag, each in said["starts"]}
        if any(len(each) != len(COSTS_SECONDS) for each in starts.values()):
            raise ValueError("other sizes")
        loading = {str(build): float(seconds) for build, seconds in said["loading"].items()}
        return cls(starts, loading, *map(float, said["long"]))


NOBODY: Final = Passing()


def passing(snapshot: Snapshot, pass_at: Floats) -> Passing:
    """Return what was found in the futures of a snapshot.

    Args:
        pass_at: when somebody of each of ``tags_of`` and ``COSTS_SECONDS`` would go first: future, tag, size.
    """
    letting = [machine for machine in snapshot.machines if machine.aside.times and machine.away is None]
    holding = [machine for machine in letting if machine.in_hand or machine.held]
    if not letting:
        return NOBODY
    loading = {build: min(_loading(snapshot, each, build) for each in holding) for build in snapshot.builds if holding}
    ends = np.percentile(np.minimum(pass_at, _NEVER), _PERCENTILES, axis=0)
    tags = tags_of(snapshot)
    starts = {
        _up_to(tag, tags, snapshot): tuple(Range(*map(float, ends[:, row, size])) for size in range(len(COSTS_SECONDS)))
        for row, tag in enumerate(tags)
    }
    least = min(machine.aside.least_left_seconds for machine in letting)
    most = max(machine.aside.times * machine.aside.seconds for machine in letting)
    most_share = max(machine.aside.share for machine in letting)
    gain = min(machine.aside.gain for machine in letting)
    here = sum(machine.away is None for machine in snapshot.machines)
    return Passing(starts, loading, least, most, most_share, _share(snapshot, least / gain) / here)


def _up_to(tag: float, tags: Sequence[float], snapshot: Snapshot) -> float:
    """Return up to which tag holds what was found for this one: the last of a tier's to its end, where that is near."""
    is_free = yields(tag)
    is_near = (snapshot.is_whole and not snapshot.deep) or (not is_free and any(yields(c.tag) for c in snapshot.queue))
    is_last = not any(each > tag and yields(each) == is_free for each in tags)
    return _TIER_ENDS[is_free] if is_last and is_near else tag


def _loading(snapshot: Snapshot, machine: Machine, build: str) -> float:
    return sum(snapshot.components[key].load_seconds for key in snapshot.builds[build] if key not in machine.residents)


def _share(snapshot: Snapshot, most_seconds: float) -> float:
    """Seconds on a card that are asked for in a second, of clips that take no longer than that."""
    arrivals = snapshot.arrivals
    seconds = [kind.service.median_seconds for kind in arrivals.kinds]
    short: Sequence[float] = [each for each in seconds if each <= most_seconds]
    return arrivals.per_second * sum(short) / max(1, len(seconds))
