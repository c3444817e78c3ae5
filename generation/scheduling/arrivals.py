"""Who will come, learned from who came and drawn for each future: a Poisson stream of batches, since people ask for
several clips at once, whose rate goes with the hour of the day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

import numpy as np

from generation.scheduling.arrival_hours import HOUR_SECONDS, HOURS, ArrivalHours, seconds_weighed
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


def learn(came: Sequence[tuple[float, Kind]], now: float, hours: ArrivalHours | None = None) -> Arrivals:
    """Return who will come after ``came``: when and what, oldest first. The first only begins the time that the others
    took.

    Args:
        hours: how busy hours of the day are. What came lately then tells how busy the site is for its hour.
    """
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
    factors = hours.factors() if hours else (1.0,) * HOURS
    present = int(now // HOUR_SECONDS) % HOURS
    span_seconds = max(1.0, seconds_weighed(factors, begins[-1 - len(recent)], now))
    sizes = sizes[1:]
    by_hour = tuple(factors[(present + ahead) % HOURS] / factors[present] for ahead in range(HOURS))
    return Arrivals(
        per_second=len(recent) / span_seconds * factors[present] * fmean(sizes),
        doubt=math.hypot(1 / math.sqrt(len(recent)), 0.25),
        kinds=tuple(kind for _, kind in came[1:][-RECENT:]),
        batches=tuple(sizes),
        hour_ends_in=HOUR_SECONDS - now % HOUR_SECONDS,
        by_hour=by_hour if len(set(by_hour)) > 1 else (),
    )


def draw(arrivals: Arrivals, random: np.random.Generator, plays: int, span_seconds: float) -> tuple[Ints, Floats]:
    """Return the kinds of clips that will arrive within about that time, as numbers in ``arrivals.kinds``, and the
    seconds until each arrives. Rows are futures; the columns of both are the same clips in order."""
    count = 0
    if arrivals.kinds and arrivals.per_second > 0:
        steady_seconds = float(_at_the_present_rate(arrivals, np.array(span_seconds)))
        count = min(MOST_DRAWN, math.ceil(arrivals.per_second * steady_seconds) + max(arrivals.batches) - 1)
    rates = arrivals.per_second / np.mean(arrivals.batches) * np.ones((plays, 1))
    rates *= np.exp(arrivals.doubt * random.standard_normal((plays, 1)))
    gaps = random.standard_exponential((plays, count)) / np.maximum(rates, 1e-12)
    times = _times_of_each(arrivals, random, _by_the_hour(arrivals, np.cumsum(gaps, axis=1)))
    return random.integers(0, max(1, len(arrivals.kinds)), (plays, count)), times


def factor_at(arrivals: Arrivals, seconds: Floats) -> Floats:
    """Return the rate at moments from now as multiples of the present one."""
    if not arrivals.by_hour:
        return np.ones_like(seconds)
    hours = np.ceil(np.maximum(0.0, seconds - arrivals.hour_ends_in) / HOUR_SECONDS).astype(np.int64)
    factors: Floats = np.array(arrivals.by_hour)[hours % HOURS]
    return factors


def _knots(arrivals: Arrivals) -> tuple[Floats, Floats]:
    """Ends of hours in seconds from now, and what would have come by then at the present rate, in seconds of that."""
    lengths = np.array([arrivals.hour_ends_in, *[HOUR_SECONDS] * (HOURS - 1)])
    ends, passed = np.cumsum(lengths), np.cumsum(lengths * arrivals.by_hour)
    far = 1000 * ends[-1]  # beyond a day: as that day on the whole
    return np.array([0.0, *ends, far]), np.array([0.0, *passed, passed[-1] * far / ends[-1]])


def _by_the_hour(arrivals: Arrivals, steady: Floats) -> Floats:
    """Return when comes what would come at these moments if the present rate stayed."""
    if not arrivals.by_hour:
        return steady
    ends, passed = _knots(arrivals)
    return np.interp(steady, passed, ends)


def _at_the_present_rate(arrivals: Arrivals, seconds: Floats) -> Floats:
    """Return for how long as many would come at the present rate as come in that time."""
    if not arrivals.by_hour:
        return seconds
    ends, passed = _knots(arrivals)
    return np.interp(seconds, ends, passed)


def _times_of_each(arrivals: Arrivals, random: np.random.Generator, batches: Floats) -> Floats:
    """Return when each clip arrives, of as many as there are batches."""
    sizes, count = np.array(arrivals.batches), batches.shape[1]
    if sizes.max() == 1 or not count:
        return batches
    drawn = random.choice(sizes, batches.shape)
    return np.stack([np.repeat(*row)[:count] for row in zip(batches, drawn, strict=True)])
