"""The public record: how often forecasts held, how long clips waited, and how many GPUs are on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import redis
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from catalog.models import Model
from generation.models import ForecastHour
from generation.scheduling import fleet
from generation.scheduling.forecast_record import percentile

SHOWN = timedelta(hours=24)


@dataclass(slots=True)
class Record:
    """What came of forecasts of one model in a time."""

    told: int = 0
    before: int = 0
    inside: int = 0
    waits: Counter[str] = field(default_factory=Counter)

    def add(self, hour: ForecastHour) -> None:
        self.told, self.before, self.inside = (
            self.told + hour.told,
            self.before + hour.before,
            self.inside + hour.inside,
        )
        self.waits.update(hour.waits)

    def to_json(self) -> dict[str, Any]:
        half, most = (percentile(self.waits, share) for share in (0.5, 0.9))
        return {
            "forecasts": self.told,
            "ready_in_time": _share(self.before, self.told),
            "inside_range": _share(self.inside, self.told),
            "clips": sum(self.waits.values()),
            "wait_p50_seconds": half and round(half, 1),
            "wait_p90_seconds": most and round(most, 1),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The record of the last day, for people."""
    return render(request, "generation/status.html", {"status": _status()})


@require_safe
def document(request: HttpRequest) -> JsonResponse:
    """The same for programs, hour by hour."""
    return JsonResponse(_status())


def _status() -> dict[str, Any]:
    """Counts of models that people may choose, of the last day. Asks for two days' hours at most, in two queries."""
    names = dict(Model.objects.for_people().values_list("slug", "name"))
    hours = ForecastHour.objects.filter(hour__gt=timezone.now() - SHOWN, model__in=names).order_by("hour")
    by_model: defaultdict[str, list[ForecastHour]] = defaultdict(list)
    for hour in hours:
        by_model[hour.model].append(hour)
    models = [
        {"model": slug, "name": name, **_sum(by_model[slug]).to_json(), "hours": _hourly(by_model[slug])}
        for slug, name in names.items()
    ]
    return {
        "gpus_on": _gpus_on(),
        "all": _sum(each for rows in by_model.values() for each in rows).to_json(),
        "models": models,
    }


def _hourly(rows: Iterable[ForecastHour]) -> list[dict[str, Any]]:
    by_hour: defaultdict[datetime, list[ForecastHour]] = defaultdict(list)
    for row in rows:
        by_hour[row.hour].append(row)
    return [{"hour": hour.isoformat(), **_sum(each).to_json()} for hour, each in by_hour.items()]


def _sum(rows: Iterable[ForecastHour]) -> Record:
    record = Record()
    for row in rows:
        record.add(row)
    return record


def _gpus_on() -> int | None:
    """None where nobody knows."""
    try:
        return len(fleet.taking_budgets())
    except redis.RedisError:
        return None
