"""Who will come, learned from who came and drawn for each future: a Poisson stream of batches, since people ask for
several clips at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

import numpy as np

from generation.scheduling.futures import Floats, Ints
from generation.scheduling.snapshot import Arrivals, Kind

RECENT = 60
"""Batches from which the rate is learned, and clips whose kinds the next ones are of."""
KEPT = 4 * RECENT
"""Clips from which the sizes of batches are learned: large ones are rare, and the next is not of the last hour."""
LEAST = 5
"""Clips before which nobody is known to come."""
MOST_DRAWN = 160
"""Clips that come in one future. Later ones overtake nobody who is played."""
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


def draw(arrivals: Arrivals, random: np.random.Generator, plays: int, span_seconds: float) -> tuple[Ints, Floats]:
    """Return the kinds of clips that will arrive within about that time, as numbers in ``arrivals.kinds``, and the
    seconds until each arrives. Rows are futures; the columns of both are the same clips in order."""
    count = 0
    if arrivals.kinds and arrivals.per_second > 0:
        count = min(MOST_DRAWN, math.ceil(arrivals.per_second * span_seconds) + max(arrivals.batches) - 1)
    rates = arrivals.per_second / np.mean(arrivals.batches) * np.ones((plays, 1))
    rates *= np.exp(arrivals.doubt * random.standard_normal((plays, 1)))
    gaps = random.standard_exponential((plays, count)) / np.maximum(rates, 1e-12)
    times = _times_of_each(arrivals, random, np.cumsum(gaps, axis=1))
    return random.integers(0, max(1, len(arrivals.kinds)), (plays, count)), times


def _times_of_each(arrivals: Arrivals, random: np.random.Generator, batches: Floats) -> Floats:
    """Return when each clip arrives, of as many as there are batches."""
    sizes, count = np.array(arrivals.batches), batches.shape[1]
    if sizes.max() == 1 or not count:
        return batches
    drawn = random.choice(sizes, batches.shape)
    return np.stack([np.repeat(*row)[:count] for row in zip(batches, drawn, strict=True)])
