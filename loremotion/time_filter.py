"""A filter of the admin's lists by time, for which nothing is counted: an index finds the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Min, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property

WINDOWS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
MONTH: Final = timedelta(days=30)
MONTHS: Final = 12
_PERIOD: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """A year, a month or a day, ``2026``, ``2026-11`` or ``2026-11-29``: from its first day to before ``until``."""

    name: str
    since: date
    until: date

    @classmethod
    def named(cls, name: str) -> Period | None:
        """Return the period of that name, or nothing where the calendar has none."""
        found = _PERIOD.fullmatch(name)
        if found is None:
            return None
        parts = [int(part) for part in found.groups() if part is not None]
        try:
            since = date(*[*parts, 1, 1][:3])
            if len(parts) == 1:
                return cls(name, since, date(since.year + 1, 1, 1))
            days = 31 if len(parts) == 2 else 1
            until = since + timedelta(days=days)
            return cls(name, since, until.replace(day=1) if len(parts) == 2 else until)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Link:
    """A period that can be chosen, and the list's address then."""

    text: str
    address: str
    is_chosen: bool


class TimeFilter(admin.SimpleListFilter):
    """The last hour, day or week, any time, or a year, a month or a day of ``periods``.

    Without a choice the last 30 days are shown, or all where something few is asked for: by a search, or ``lifted_by``.
    """

    title = "when"
    parameter_name = "when"
    field: ClassVar[str]
    lifted_by: ClassVar[tuple[str, ...]] = ()
    """Parameters of other filters that leave few rows, of any time."""

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self._asked, self._model = request.GET, model

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days"), ("any", "Any time")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Any time" if self._is_lifted else "Last 30 days"}
        yield from (each for each in others if not self._is_lifted or each["display"] != "Any time" or each["selected"])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value, now = self.value(), timezone.now()
        if value == "any" or (value is None and self._is_lifted):
            return queryset
        if value is not None and value not in WINDOWS:
            period = Period.named(value)
            if period is None:
                return queryset.none()
            begins, ends = (timezone.make_aware(datetime.combine(day, time())) for day in (period.since, period.until))
            return queryset.filter(**{f"{self.field}__gte": begins, f"{self.field}__lt": ends})
        return queryset.filter(**{f"{self.field}__gte": now - WINDOWS.get(value or "", MONTH)})

    @property
    def _is_lifted(self) -> bool:
        return any(self._asked.get(name) for name in ("q", *self.lifted_by))

    @cached_property
    def periods(self) -> list[list[Link]]:
        """Years where there are several, the months of one, and the days of a chosen month, newest first.

        They go from the oldest row, which an index knows, to today: whether a day has rows is not asked.
        """
        today = timezone.localdate()
        oldest = self._model._default_manager.aggregate(oldest=Min(self.field))["oldest"]
        first = min(today, timezone.localtime(oldest).date()) if oldest else today
        chosen = Period.named(self.value() or "")
        year = chosen.since.year if chosen else today.year
        years = range(today.year, first.year - 1, -1)
        months = (date(year, month, 1) for month in range(MONTHS, 0, -1))
        found = [
            [self._link(f"{each}", f"{each}") for each in years] if len(years) > 1 else [],
            [
                self._link(f"{month:%Y-%m}", f"{month:%B %Y}")
                for month in months
                if first.replace(day=1) <= month <= today
            ],
        ]
        if chosen is not None and len(chosen.name) > 4:
            month = Period.named(chosen.name[:7])
            assert month is not None
            days = ((month.until - timedelta(days=1 + back)) for back in range((month.until - month.since).days))
            found.append([self._link(f"{day}", f"{day:%-d}") for day in days if first <= day <= today])
        return [row for row in found if row]

    def _link(self, name: str, text: str) -> Link:
        asked = self._asked.copy()
        asked.pop(PAGE_VAR, None)
        asked[self.parameter_name] = name
        value = self.value() or ""
        return Link(text, f"?{asked.urlencode()}", is_chosen=value == name or value.startswith(f"{name}-"))
