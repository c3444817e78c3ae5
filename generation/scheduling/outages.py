"""Machines that are lost and come back: how often, for how long, and which are expected again."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from statistics import NormalDist
from typing import Any, Self

from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Machine, Outages

FORGOTTEN_SECONDS = 3600.0
"""Away for so long, a machine is expected no more."""
_MOST_LOST = 128
"""That are expected back. Whoever runs a GPU host can write any number of heartbeats."""
_PRIOR_LOSSES, _PRIOR_SECONDS = 0.1, 0.1 * 86_400.0
"""A machine is lost once a day, before much was seen; that counts as much as a tenth of a loss."""
_PRIOR_AWAY_SECONDS, _PRIOR_AWAY_SD = 300.0, 1.0
_LONGEST_GAP_SECONDS = 60.0
"""Between two looks that count as watching."""
_HALVED_AFTER_SECONDS = 14 * 86_400.0
"""What was seen so long ago counts half."""
_UNWATCHED_SECONDS = 600.0
"""After such a gap between two looks nobody counts as lost."""
_LEAST_SECONDS = 1.0
_P90 = 1.2815515594600038
_NORMAL = NormalDist()


@dataclass(slots=True)
class _Lost:
    at: float
    budget_bytes: int


@dataclass(slots=True)
class Watch:
    """What was seen of machines that take clips."""

    _here: dict[str, int] = field(default_factory=dict)
    """Name → bytes that it may use."""
    _lost: dict[str, _Lost] = field(default_factory=dict)
    _seen_at: float | None = None
    _seconds: float = 0.0
    """Of all machines together."""
    _losses: float = 0.0
    _returns: float = 0.0
    _log_seconds: float = 0.0
    _log_squares: float = 0.0
    """Sums over returns, of the logarithm of how long each machine was away, less that of the prior."""

    def see(self, here: Mapping[str, int], leaving: Collection[str], now: float) -> None:
        """Take in which machines take clips now, by name with the bytes that they may use, and which are on but take no
        more: those leave on purpose."""
        since = now - (now if self._seen_at is None else self._seen_at)
        self._fade(max(0.0, since))
        if since > _UNWATCHED_SECONDS:  # whoever left meanwhile may have been told to
            self._here = {}
        self._seconds += min(_LONGEST_GAP_SECONDS, max(0.0, since)) * len(self._here)
        for name, budget_bytes in self._here.items():
            if name not in here and name not in leaving:
                self._lost[name] = _Lost(now, budget_bytes)
                self._losses += 1
        for name in [name for name in self._lost if name in here or name in leaving]:
            log = math.log(max(_LEAST_SECONDS, now - self._lost.pop(name).at) / _PRIOR_AWAY_SECONDS)
            self._returns, self._log_seconds, self._log_squares = (
                self._returns + 1,
                self._log_seconds + log,
                self._log_squares + log**2,
            )
        for name in [name for name, lost in self._lost.items() if now - lost.at > FORGOTTEN_SECONDS]:
            del self._lost[name]
        for name in list(islice(self._lost, max(0, len(self._lost) - _MOST_LOST))):
            del self._lost[name]
        self._here, self._seen_at = dict(here), now

    def _fade(self, since_seconds: float) -> None:
        kept = 0.5 ** (since_seconds / _HALVED_AFTER_SECONDS)
        self._seconds, self._losses, self._returns = self._seconds * kept, self._losses * kept, self._returns * kept
        self._log_seconds, self._log_squares = self._log_seconds * kept, self._log_squares * kept

    def to_json(self) -> dict[str, Any]:
        return {
            "here": self._here,
            "lost": {name: [lost.at, lost.budget_bytes] for name, lost in self._lost.items()},
            "seen_at": self._seen_at,
            "sums": [self._seconds, self._losses, self._returns, self._log_seconds, self._log_squares],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """
        Raises:
            LookupError, TypeError, ValueError, AttributeError: it is none of ``to_json``'s.
        """
        here = {str(name): int(budget_bytes) for name, budget_bytes in said["here"].items()}
        lost = {str(name): _Lost(float(at), int(budget_bytes)) for name, (at, budget_bytes) in said["lost"].items()}
        seen_at = None if said["seen_at"] is None else float(said["seen_at"])
        return cls(here, lost, seen_at, *map(float, said["sums"]))

    def outages(self) -> Outages:
        """Return how often a machine is lost, and for how long."""
        return Outages((_PRIOR_LOSSES + self._losses) / (_PRIOR_SECONDS + self._seconds), self._lasts())

    def away(self, now: float) -> list[Machine]:
        """Return the machines that are expected back."""
        lasts = self._lasts()
        return [
            Machine(name, lost.budget_bytes, away=what_is_left(lasts, now - lost.at))
            for name, lost in self._lost.items()
        ]

    def _lasts(self) -> Spread:
        """How long a machine is away: what was seen, beside the prior, which counts as one return."""
        count = 1 + self._returns
        mean = self._log_seconds / count
        variance = (_PRIOR_AWAY_SD**2 + self._log_squares) / count - mean**2 * self._returns / count
        return Spread(_PRIOR_AWAY_SECONDS * math.exp(mean), math.sqrt(max(0.01, variance)))


def share_here(outages: Outages) -> float:
    """Return about which share of the machines is here at a time, by how long one is away on the whole before it is
    back or forgotten: a lognormal of blips and long absences has a tail that reaches far beyond that."""
    lasts = outages.lasts
    away_seconds = min(FORGOTTEN_SECONDS, lasts.mean_seconds)
    if lasts.sd > 0 and lasts.median_seconds > 0:
        most = math.log(FORGOTTEN_SECONDS / lasts.median_seconds) / lasts.sd
        shorter = lasts.mean_seconds * _NORMAL.cdf(most - lasts.sd)
        away_seconds = shorter + FORGOTTEN_SECONDS * (1 - _NORMAL.cdf(most))
    return 1 / (1 + outages.per_second * away_seconds)


def what_is_left(lasts: Spread, elapsed_seconds: float) -> Spread:
    """Return how long something still lasts that has lasted so long: the lognormal beyond that point, by its median and
    its 90th percentile."""
    if lasts.sd <= 0:
        return Spread(max(_LEAST_SECONDS, lasts.median_seconds - elapsed_seconds), 0.0)
    law = NormalDist(math.log(lasts.median_seconds), lasts.sd)
    beyond = 1 - law.cdf(math.log(max(_LEAST_SECONDS, elapsed_seconds)))
    if beyond < 1e-6:  # longer than anything that was seen: as long again
        return Spread(max(_LEAST_SECONDS, elapsed_seconds), 1.0)
    median, late = (
        max(_LEAST_SECONDS, math.exp(law.inv_cdf(1 - beyond * share)) - elapsed_seconds) for share in (0.5, 0.1)
    )
    return Spread(median, max(0.05, math.log(late / median) / _P90))
