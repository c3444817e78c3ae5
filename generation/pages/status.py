"""The public record: which models are up and when they were not, how long clips waited, how often forecasts held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import number_format
from django.views.decorators.http import require_safe

from catalog.models import Model
from generation.models import ForecastHour
from generation.scheduling import capacity, service_record, storage_pause, wait
from generation.scheduling.recent_waits import Record, hours_of, sum_of
from generation.scheduling.service_record import Day, ServiceRecord

BAR: Final = 8
"""What a day's bar and the space after it take of the strip's drawing."""
BAR_WIDTH: Final = 6
STRIP_HEIGHT: Final = 32
LEAST_HEIGHT: Final = 9.0
"""Of what was down: a few minutes are seen as well."""


@dataclass(frozen=True, slots=True)
class Service:
    """One model: how it is now, how it was, and how long its clips took."""

    model: Model
    is_up: bool | None
    """None where nobody knows."""
    up_percent: str
    """Of the time that was recorded; empty where none was."""
    days: Sequence[Day]
    record: Record

    @property
    def waits(self) -> str:
        half, most = self.record.half_seconds, self.record.most_seconds
        return wait.half_and_most(half, most) if half is not None and most is not None else ""

    @property
    def quiet_days(self) -> str:
        """The bars of days that were not recorded, as the path of one drawing."""
        return _bars(at for at, day in enumerate(self.days) if not day.up and not day.down)

    @property
    def good_days(self) -> str:
        """The same of days without an outage."""
        return _bars(at for at, day in enumerate(self.days) if day.up and not day.down)

    @property
    def bad_days(self) -> list[dict[str, Any]]:
        """A bar for each day with an outage: where it stands, and how much of it is down, from the ground up."""
        return [
            {
                "x": at * BAR,
                "day": day,
                "height": max(LEAST_HEIGHT, day.down * STRIP_HEIGHT),
                "lasted": wait.span_of(day.lasted),
            }
            for at, day in enumerate(self.days)
            if day.down
        ]


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """How things stand and how they were, for people."""
    status = _Status()
    context = {
        "status": status,
        "tiers": _by_tier(status.hours.values()) if request.user.is_staff else [],
        "strip": {
            "width": BAR * service_record.SHOWN_DAYS - (BAR - BAR_WIDTH),
            "height": STRIP_HEIGHT,
            "bar": BAR_WIDTH,
        },
    }
    return render(request, "generation/status.html", context)


@require_safe
def document(request: HttpRequest) -> JsonResponse:
    """The same for programs, hour by hour."""
    return JsonResponse(_Status().to_json())


class _Status:
    """Models that people may choose, and how they are. Five queries, and a look at Valkey."""

    def __init__(self) -> None:
        models = list(Model.objects.for_people())
        slugs = [model.slug for model in models]
        self.hours = hours_of(slugs)
        self.record: ServiceRecord = service_record.record_of(slugs)
        budgets = _budgets()
        self.gpus_on = None if budgets is None else len(capacity.able(budgets, needs_bytes=None))
        self.is_paused = storage_pause.is_in_force()
        up = service_record.up_models(models, budgets) if budgets is not None else {}
        self.all = sum_of(each for rows in self.hours.values() for each in rows)
        self.services = [
            Service(
                model=model,
                is_up=up.get(model.slug),
                up_percent=_percent(self.record.up_share(model.slug)),
                days=self.record.days[model.slug],
                record=sum_of(self.hours[model.slug]),
            )
            for model in models
        ]
        self.down = [service for service in self.services if service.is_up is False]
        self.names = {model.slug: model.name for model in models}

    @property
    def state(self) -> str:
        """How things are as a whole, in a word: ``up``, ``paused``, ``some_down``, ``down``, ``unknown``."""
        if self.gpus_on is None:
            return "unknown"
        if self.services and len(self.down) == len(self.services):
            return "down"
        if self.is_paused:
            return "paused"
        return "some_down" if self.down else "up"

    @property
    def since(self) -> datetime | None:
        """Since when no model was down, or at least one is; None where it was never otherwise, or nobody knows."""
        outages = self.record.outages
        if self.down:
            return min((each.began_at for each in outages if not each.is_over), default=None)
        return max((each.until_at for each in outages), default=None)

    @property
    def outages(self) -> list[dict[str, Any]]:
        return [
            {
                "models": [name for slug, name in self.names.items() if slug in each.models],
                "began_at": each.began_at,
                "until_at": each.until_at if each.is_over else None,
                "lasted": wait.span_of((each.until_at if each.is_over else timezone.now()) - each.began_at),
            }
            for each in self.record.outages
        ]

    @property
    def in_time_percent(self) -> int:
        """How many of a hundred clips were ready no later than was said."""
        return round(100 * self.all.before / self.all.told)

    @property
    def inside_percent(self) -> int:
        """The same of those that were ready within the range."""
        return round(100 * self.all.inside / self.all.told)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The models whose clips were made lately, with what came of their forecasts."""
        return [
            {
                "name": each.model.name,
                "half": _in_words(each.record.half_seconds),
                "most": _in_words(each.record.most_seconds),
                **each.record.to_json(),
            }
            for each in self.services
            if each.record.clips
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "gpus_on": self.gpus_on,
            "all": self.all.to_json(),
            "models": [
                {
                    "model": each.model.slug,
                    "name": each.model.name,
                    "is_up": each.is_up,
                    **each.record.to_json(),
                    "hours": _hourly(self.hours[each.model.slug]),
                    "days": [
                        {"date": day.date, "up": round(day.up, 4), "down": round(day.down, 4)} for day in each.days
                    ],
                }
                for each in self.services
            ],
            "outages": [
                {
                    "models": each.models,
                    "began_at": each.began_at,
                    "ended_at": each.until_at if each.is_over else None,
                }
                for each in self.record.outages
            ],
        }


def _bars(places: Iterable[int]) -> str:
    return "".join(f"M{at * BAR} 0h{BAR_WIDTH}v{STRIP_HEIGHT}h-{BAR_WIDTH}z" for at in places)


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


def _hourly(rows: Iterable[ForecastHour]) -> list[dict[str, Any]]:
    by_hour: defaultdict[datetime, list[ForecastHour]] = defaultdict(list)
    for row in rows:
        by_hour[row.hour].append(row)
    return [{"hour": hour.isoformat(), **sum_of(each).to_json()} for hour, each in by_hour.items()]


def _percent(share: float | None) -> str:
    """A share with as many digits as it takes to see that it is not whole: never rounded up to 100."""
    if share is None:
        return ""
    return "100" if share == 1 else number_format(f"{min(99.99, 100 * share):.2f}")


def _in_words(seconds: float | None) -> str:
    return "" if seconds is None else wait.span_of(timedelta(seconds=seconds))


def _budgets() -> list[int] | None:
    """Bytes of every worker that takes jobs; None where nobody knows."""
    try:
        return capacity.budgets_of(capacity.statuses())
    except redis.RedisError:
        return None
