"""How long clips of each model waited lately, and how often their forecasts held: the public record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from generation.models import ForecastHour
from generation.scheduling.forecast_record import percentile

SHOWN: Final = timedelta(hours=24)


@dataclass(slots=True)
class Record:
    """What came of forecasts of one model in a time."""

    told: int = 0
    before: int = 0
    inside: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)

    def add(self, hour: ForecastHour) -> None:
        self.told, self.before, self.inside = (
            self.told + hour.told,
            self.before + hour.before,
            self.inside + hour.inside,
        )
        self.waits.update(hour.waits)
        self.misses.update(hour.misses)

    @property
    def clips(self) -> int:
        return sum(self.waits.values())

    @property
    def half_seconds(self) -> float | None:
        """What half of them waited at most; None where nobody waited."""
        return percentile(self.waits, 0.5)

    @property
    def most_seconds(self) -> float | None:
        """The same of nine in ten."""
        return percentile(self.waits, 0.9)

    def to_json(self) -> dict[str, Any]:
        half, most = self.half_seconds, self.most_seconds
        return {
            "forecasts": self.told,
            "ready_in_time": _share(self.before, self.told),
            "inside_range": _share(self.inside, self.told),
            "clips": self.clips,
            "wait_p50_seconds": half and round(half, 1),
            "wait_p90_seconds": most and round(most, 1),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def hours_of(models: Collection[str]) -> defaultdict[str, list[ForecastHour]]:
    """The last day's hours of each model by its slug, in one query that reads two days' hours at most."""
    by_model: defaultdict[str, list[ForecastHour]] = defaultdict(list)
    for hour in ForecastHour.objects.filter(hour__gt=timezone.now() - SHOWN, model__in=models).order_by("hour"):
        by_model[hour.model].append(hour)
    return by_model


def sum_of(rows: Iterable[ForecastHour]) -> Record:
    """The record of these hours together."""
    record = Record()
    for row in rows:
        record.add(row)
    return record
