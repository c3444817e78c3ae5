"""The public record: how often forecasts held, how long clips waited, and how many GPUs are on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import redis
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.models import Model
from generation.models import ForecastHour
from generation.scheduling import capacity
from generation.scheduling.recent_waits import hours_of, sum_of


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The record of the last day, for people."""
    by_model, status = _status()
    tiers = _by_tier(by_model.values()) if request.user.is_staff else []
    return render(request, "generation/status.html", {"status": status, "tiers": tiers})


@require_safe
def document(request: HttpRequest) -> JsonResponse:
    """The same for programs, hour by hour."""
    return JsonResponse(_status()[1])


def _by_tier(by_model: Iterable[list[ForecastHour]]) -> list[dict[str, Any]]:
    """How often forecasts held by tier, and what the others missed by, for staff."""
    by_tier: defaultdict[str, list[ForecastHour]] = defaultdict(list)
    for row in (row for rows in by_model for row in rows):
        by_tier[row.tier].append(row)
    records = {tier: sum_of(rows) for tier, rows in sorted(by_tier.items())}
    return [
        {
            "tier": tier,
            **record.to_json(),
            "misses": [(cause.replace("_", " "), clips) for cause, clips in record.misses.most_common()],
        }
        for tier, record in records.items()
    ]


def _status() -> tuple[dict[str, list[ForecastHour]], dict[str, Any]]:
    """Counts of models that people may choose, of the last day, in two queries."""
    names = dict(Model.objects.for_people().values_list("slug", "name"))
    by_model = hours_of(names)
    models = [
        {"model": slug, "name": name, **sum_of(by_model[slug]).to_json(), "hours": _hourly(by_model[slug])}
        for slug, name in names.items()
    ]
    return by_model, {
        "gpus_on": _gpus_on(),
        "all": sum_of(each for rows in by_model.values() for each in rows).to_json(),
        "models": models,
    }


def _hourly(rows: Iterable[ForecastHour]) -> list[dict[str, Any]]:
    by_hour: defaultdict[datetime, list[ForecastHour]] = defaultdict(list)
    for row in rows:
        by_hour[row.hour].append(row)
    return [{"hour": hour.isoformat(), **sum_of(each).to_json()} for hour, each in by_hour.items()]


def _gpus_on() -> int | None:
    """None where nobody knows."""
    try:
        return len(capacity.taking_budgets())
    except redis.RedisError:
        return None
