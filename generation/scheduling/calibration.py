"""What came of earlier forecasts corrects the next: conformal, adaptive, by horizon and tier.

Each end of a range lies so many times its distance from the middle away. That factor follows the quantile of what came:
it grows by a little when a clip came later than the end and shrinks by a ninth of that when it did not, so in the long
run a tenth comes later, however wrong the forecast is and however it drifts. Between horizons factors are interpolated,
so that no range jumps where one ends.

Source: A. Angelopoulos, E. Candès, R. Tibshirani, "Conformal PID Control for Time Series Prediction", NeurIPS 2023.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

MISSED = 0.10
"""Share of clips that shall come after the upper end, and of those that shall come before the lower."""
HORIZONS_SECONDS = (15.0, 60.0, 270.0, 1200.0)
"""Middles of the horizons, whose factors are kept."""
EDGES_SECONDS = (30.0, 120.0, 600.0)
"""Ends of the horizons for whoever counts: under half a minute, two minutes, ten minutes, and more."""
_LEAST, _MOST = 0.1, 20.0
_PACE, _FIRST_PACE, _FIRST_CLIPS = 0.08, 0.30, 30.0
ANY_TIER = ""
_TIER_CLIPS = 40.0
"""Clips of a tier from which on its own factors count for half."""


def horizon_of(seconds: float) -> int:
    """Return the number of the horizon that a wait of so many seconds counts to."""
    return sum(seconds >= edge for edge in EDGES_SECONDS)


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds from now: a tenth of clips comes before ``low``, half before ``mid``, nine tenths before ``high``."""

    low: float
    mid: float
    high: float

    @property
    def ends(self) -> tuple[float, float, float]:
        return self.low, self.mid, self.high


@dataclass(frozen=True, slots=True)
class Factor:
    """By how much the two ends are moved away from the middle, and how many clips taught it."""

    low: float = 1.0
    high: float = 1.0
    clips: float = 0.0

    def after(self, said: Range, came_seconds: float, share: float) -> Factor:
        """Return this with one more clip, which counts by ``share``."""
        pace = share * (_PACE + (_FIRST_PACE - _PACE) * math.exp(-self.clips / _FIRST_CLIPS))
        is_late = came_seconds > said.mid + self.high * (said.high - said.mid)
        is_early = came_seconds < said.mid - self.low * (said.mid - said.low)
        return Factor(
            low=_bounded(self.low * math.exp(pace * (is_early - MISSED))),
            high=_bounded(self.high * math.exp(pace * (is_late - MISSED))),
            clips=self.clips + share,
        )


def _bounded(factor: float) -> float:
    return min(_MOST, max(_LEAST, factor))


@dataclass(slots=True)
class Calibration:
    """Factors by horizon and tier. ``learn`` replaces at most four of them."""

    factors: dict[tuple[int, str], Factor] = field(default_factory=dict)

    def correct(self, said: Range, tier: str = ANY_TIER) -> Range:
        """Return the range that so far would have held as often as it says."""
        low = high = 0.0
        for horizon, share in _shares(said.mid):
            factor = self._factor(horizon, tier)
            low, high = low + share * factor.low, high + share * factor.high
        return Range(
            max(0.0, said.mid - low * (said.mid - said.low)), said.mid, said.mid + high * (said.high - said.mid)
        )

    def learn(self, said: Range, came_seconds: float, tier: str = ANY_TIER) -> dict[tuple[int, str], Factor]:
        """Take in what came of a range as it was before correction; return the factors that changed."""
        changed = {}
        for horizon, share in _shares(said.mid):
            for key in {(horizon, ANY_TIER), (horizon, tier)}:
                changed[key] = self.factors.get(key, Factor()).after(said, came_seconds, share)
        self.factors |= changed
        return changed

    def _factor(self, horizon: int, tier: str) -> Factor:
        general = self.factors.get((horizon, ANY_TIER), Factor())
        own = self.factors.get((horizon, tier), general)
        part = own.clips / (own.clips + _TIER_CLIPS)
        return Factor(general.low + part * (own.low - general.low), general.high + part * (own.high - general.high))


def _shares(seconds: float) -> Iterator[tuple[int, float]]:
    """The two horizons between whose middles so many seconds lie, with what each counts for; together 1."""
    middles = [math.log(middle) for middle in HORIZONS_SECONDS]
    place = math.log(max(seconds, 1e-3))
    after = sum(place >= middle for middle in middles)
    if after in (0, len(middles)):
        yield max(0, after - 1), 1.0
        return
    share = (place - middles[after - 1]) / (middles[after] - middles[after - 1])
    yield from ((after - 1, 1 - share), (after, share))
