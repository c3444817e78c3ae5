"""How busy each hour of the day is against the others, learned over days: a site has mornings and nights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

HOURS: Final = 24
HOUR_SECONDS: Final = 3600.0
_KEPT: Final = 0.8
"""Of what is known of an hour, each time it comes again: about the last five days count."""
_PRIOR_CLIPS: Final = 40.0
"""So many clips as on any other hour are taken for seen. Some people ask for twenty at once."""
_LONGEST_GAP_SECONDS: Final = 60.0
"""Between two looks that count as watching."""


def _nothing() -> list[float]:
    return [0.0] * HOURS


@dataclass(slots=True)
class ArrivalHours:
    """Clips and watched seconds by hour of the day (UTC), of days that are over: an hour that goes on says nothing yet
    of tomorrow's."""

    clips: list[float] = field(default_factory=_nothing)
    seconds: list[float] = field(default_factory=_nothing)
    _hour: int | None = None
    """Since the epoch: the one that goes on."""
    _clips: float = 0.0
    _seconds: float = 0.0
    _seen_at: float | None = None

    def see(self, came: int, now: float) -> None:
        """Take in how many clips came since the last look."""
        since = now - (now if self._seen_at is None else self._seen_at)
        hour = int(now // HOUR_SECONDS)
        if hour != self._hour:
            self._end_hour()
            self._hour = hour
        self._clips += came
        self._seconds += min(_LONGEST_GAP_SECONDS, max(0.0, since))
        self._seen_at = now

    def _end_hour(self) -> None:
        if self._hour is not None and self._seconds:
            of_day = self._hour % HOURS
            self.clips[of_day] = _KEPT * self.clips[of_day] + self._clips
            self.seconds[of_day] = _KEPT * self.seconds[of_day] + self._seconds
        self._clips = self._seconds = 0.0

    def factors(self) -> tuple[float, ...]:
        """How many clips come in each hour of the day for one that comes in an hour of which nothing is known; 1 for
        all before a day is over."""
        total_seconds, total_clips = sum(self.seconds), sum(self.clips)
        if not total_seconds or not total_clips:
            return (1.0,) * HOURS
        expected = (total_clips / total_seconds * seconds for seconds in self.seconds)
        pairs = zip(self.clips, expected, strict=True)
        return tuple((clips + _PRIOR_CLIPS) / (usual + _PRIOR_CLIPS) for clips, usual in pairs)

    def to_json(self) -> dict[str, Any]:
        return {
            "clips": self.clips,
            "seconds": self.seconds,
            "hour": [self._hour, self._clips, self._seconds],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """
        Raises:
            LookupError, TypeError, ValueError: it is none of ``to_json``'s.
        """
        clips, seconds = ([float(each) for each in said[name]] for name in ("clips", "seconds"))
        if len(clips) != HOURS or len(seconds) != HOURS or min(*clips, *seconds) < 0:
            raise ValueError("a day has 24 hours")
        hour, its_clips, its_seconds = said["hour"]
        return cls(clips, seconds, None if hour is None else int(hour), float(its_clips), float(its_seconds))


def seconds_weighed(factors: tuple[float, ...], begin: float, end: float) -> float:
    """The seconds between two moments since the epoch, each as many as its hour's factor."""
    if end - begin >= HOURS * HOUR_SECONDS:  # whole days are alike
        days, begin = divmod(end - begin, HOURS * HOUR_SECONDS)
        return days * HOUR_SECONDS * sum(factors) + seconds_weighed(factors, end - begin, end)
    total, at = 0.0, begin
    while at < end:
        until = min(end, (at // HOUR_SECONDS + 1) * HOUR_SECONDS)
        total += (until - at) * factors[int(at // HOUR_SECONDS) % HOURS]
        at = until
    return total
