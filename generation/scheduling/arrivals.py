"""Who will come, learned from who came: a Poisson stream of batches, since people ask for several clips at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from generation.scheduling.snapshot import Arrivals, Kind

RECENT = 60
"""Batches from which the rate is learned, and clips whose kinds the next ones are of."""
KEPT = 4 * RECENT
"""Clips from which the sizes of batches are learned: large ones are rare, and the next is not of the last hour."""
LEAST = 5
"""Clips before which nobody is known to come."""
_ONE_BATCH = 0.05
"""Of the mean gap between clips: what comes closer together was asked for together."""


def learn(came: Sequence[tuple[float, Kind]], now: float) -> Arrivals:
    """Return who will come after ``came``: when and what, oldest first. The first only begins the time that the others
    took."""
    if len(came) <= LEAST:
        return Arrivals()
    gap_seconds = _ONE_BATCH * (came[-1][0] - came[0][0]) / len(came)
    begins = [came[0][0]]
    sizes = [1]
    for (before, _), (at, _) in pairwise(came):
        if at - before > gap_seconds:
            begins.append(at)
            sizes.append(0)
        sizes[-1] += 1
    if len(begins) == 1:
        return Arrivals()
    recent = begins[1:][-RECENT:]
    span_seconds = max(1.0, now - begins[-1 - len(recent)])
    sizes = sizes[1:]
    return Arrivals(
        per_second=len(recent) / span_seconds * fmean(sizes),
        doubt=math.hypot(1 / math.sqrt(len(recent)), 0.25),
        kinds=tuple(kind for _, kind in came[1:][-RECENT:]),
        batches=tuple(sizes),
    )
