"""A fleet that grows and shrinks as Kubernetes would have it, by one of several rules.

What KEDA asks Prometheus for becomes a number of GPUs as the HorizontalPodAutoscaler makes one: every 15 s, a tenth of
tolerance, at most twice as many or four more at once, and fewer only when a quarter of an hour asked for fewer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial

import simpy

from benchmarks.fleet_world import MEAN_SECONDS, SWING, Fleet, Tally, rate_of_day
from benchmarks.forecast_world import FREE, PAID

BUSY_GPUS = 24.0
"""What is asked for keeps so many busy over the day."""
LEAST, MOST = 1, 64
PERIOD_SECONDS, COOLDOWN_SECONDS = 15.0, 900.0
TOLERANCE = 0.1
START_SECONDS = 180.0
"""Until a new GPU takes its first job: a machine, an image, a process."""
WAIT_SECONDS = 120.0
"""``autoscaling.waitSeconds`` of the chart."""
FREE_WAIT_SECONDS = 1_800.0
EACH_WAITING = 5
"""Clips in the list for each GPU: what is usual where a list's length scales."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How many GPUs it asks for."""

    words: str
    asks: Callable[[Fleet], float]


def by_list(fleet: Fleet) -> float:
    return fleet.waiting / EACH_WAITING


def by_wait(tier: str, seconds: float) -> Callable[[Fleet], float]:
    """As many times those that are ready as the wait is longer than it may be: the autoscaler's ``Value``."""

    def asks(fleet: Fleet) -> float:
        wait = fleet.predicted_start_seconds(tier)
        return float(fleet.waiting + fleet.in_hand > 0) if wait is None else fleet.ready * wait / seconds

    return asks


def most(*rules: Callable[[Fleet], float]) -> Callable[[Fleet], float]:
    return lambda fleet: max(rule(fleet) for rule in rules)


def in_hand(fleet: Fleet) -> float:
    return fleet.in_hand


_PAID_WAIT, _FREE_WAIT = by_wait(PAID, WAIT_SECONDS), by_wait(FREE, FREE_WAIT_SECONDS)
RULES = (
    Rule("nothing: as many as the peak needs", lambda fleet: BUSY_GPUS * (1 + SWING)),
    Rule(f"how many wait, {EACH_WAITING} for each GPU", by_list),
    Rule(f"how long who pays waits, {WAIT_SECONDS:.0f} s", _PAID_WAIT),
    Rule("that, and none that is busy goes", most(_PAID_WAIT, in_hand)),
    Rule(f"that, and how long all others wait, {FREE_WAIT_SECONDS:.0f} s", most(_PAID_WAIT, _FREE_WAIT, in_hand)),
)


def scaled(rule: Rule, seconds: float) -> Tally:
    """So much of a day under a rule, from the morning on."""
    mean = BUSY_GPUS / MEAN_SECONDS
    rate_at = partial(rate_of_day, mean)
    fleet = Fleet(seed=1, gpus=math.ceil(BUSY_GPUS), rate_at=rate_at, most_rate=mean * (1 + SWING))
    fleet.env.process(_scale(fleet, rule))
    return fleet.run(seconds)


def _scale(fleet: Fleet, rule: Rule) -> Generator[simpy.Event, None, None]:
    asked: deque[int] = deque(maxlen=int(COOLDOWN_SECONDS / PERIOD_SECONDS))
    while True:
        gpus, wanted = len(fleet.staying), rule.asks(fleet)
        is_close = abs(wanted - gpus) <= TOLERANCE * gpus
        asked.append(gpus if is_close else min(MOST, max(LEAST, math.ceil(wanted))))
        if asked[-1] > gpus:
            fleet.add(min(asked[-1], max(2 * gpus, gpus + 4)) - gpus, after_seconds=START_SECONDS)
        elif max(asked) < gpus and len(asked) == asked.maxlen:
            fleet.remove(gpus - max(asked))
        yield fleet.env.timeout(PERIOD_SECONDS)
