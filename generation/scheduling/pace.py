"""How slow a machine is at present against what it was believed to be: a hot card, or others who use its processors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

from generation.scheduling.service_times import Spread

_NEWEST: Final = 0.5
"""What the last clip counts against all before it."""
_HALVED_AFTER_SECONDS: Final = 300.0
"""What nothing more was seen of for so long counts half."""
_KEPT: Final = 0.98
_PRIOR: Final = 0.5
"""Squares of surprises that are taken for seen before the first, after which the next clip took as long as believed:
about twenty ordinary ones."""
_LATELY: Final = 0.8
_PRIOR_VARIANCE: Final = 0.09
"""Of what one clip takes that is like another, before much was seen."""
_USUAL_TIMES: Final = 2.0
"""Surprises that are no larger than usual by so much are chance."""
_MOST: Final = math.log(30.0)


@dataclass(slots=True)
class Pace:
    """How much longer clips took of late than believed, as logarithms, and what that said of the next one each time: a
    line through the origin. Where one clip says nothing of the next, the slope is 0 and every clip is as believed."""

    _recent: float = 0.0
    _at: float = 0.0
    _products: float = 0.0
    _squares: float = 0.0
    _lately: float = _PRIOR_VARIANCE
    _usually: float = _PRIOR_VARIANCE
    """Squares of what was not foreseen even so, of the last few clips and of many."""

    def see(self, took_seconds: float, believed_seconds: float, at: float) -> None:
        """Take in one more clip of this machine, which ended at that time."""
        if took_seconds <= 0 or believed_seconds <= 0:
            return
        surprise, before = _surprise(took_seconds, believed_seconds), self._now(at)
        missed = (surprise - self._slope * before) ** 2
        self._lately += (1 - _LATELY) * (missed - self._lately)
        self._usually += (1 - _KEPT) * (min(missed, 4 * self._usually) - self._usually)
        self._products = _KEPT * self._products + before * surprise
        self._squares = _KEPT * self._squares + before**2
        self._recent = before + _NEWEST * (surprise - before)
        self._at = max(self._at, at)

    def slowness(self, at: float, *, took_seconds: float = 0.0, believed_seconds: float = 0.0) -> Spread:
        """Return the seconds that the next clip takes here for each that is believed, and how sure that is.

        Args:
            took_seconds, believed_seconds: what so much of the clip in hand took, where that is known.
        """
        recent = self._now(at)
        if took_seconds > 0 and believed_seconds > 0:
            recent += _NEWEST * (_surprise(took_seconds, believed_seconds) - recent)
        lately = self._usually + (self._lately - self._usually) * self._left(at)
        return Spread(math.exp(self._slope * recent), 0.0, math.sqrt(max(0.0, lately - _USUAL_TIMES * self._usually)))

    @property
    def _slope(self) -> float:
        return min(1.0, max(0.0, self._products / (self._squares + _PRIOR)))

    def _now(self, at: float) -> float:
        return self._recent * self._left(at)

    def _left(self, at: float) -> float:
        """What counts still of what was seen last."""
        return float(0.5 ** (max(0.0, at - self._at) / _HALVED_AFTER_SECONDS))

    def to_json(self) -> list[float]:
        return [self._recent, self._at, self._products, self._squares, self._lately, self._usually]

    @classmethod
    def from_json(cls, said: list[Any]) -> Self:
        """
        Raises:
            TypeError, ValueError: it is none of ``to_json``'s.
        """
        return cls(*map(float, said))


def _surprise(took_seconds: float, believed_seconds: float) -> float:
    return min(_MOST, max(-_MOST, math.log(took_seconds / believed_seconds)))
