"""A filter of the admin's lists by time, for which nothing is counted: an index finds the rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

WINDOWS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
MONTH: Final = timedelta(days=30)
DAYS: Final = 7


class TimeFilter(admin.SimpleListFilter):
    """The last hour, day, week, one of the last days, or any time.

    Without a choice the last 30 days are shown, or in a search all.
    """

    title = "when"
    parameter_name = "when"
    field: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        today = timezone.now().date()
        days = [today - timedelta(days=number) for number in range(DAYS)]
        spans = [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days")]
        return [*spans, *((f"{day}", f"{day:%A, %-d %b}") for day in days), ("any", "Any time")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Last 30 days"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value, now = self.value(), timezone.now()
        if value == "any" or (value is None and request.GET.get("q")):
            return queryset
        if value is not None and value not in WINDOWS:
            try:
                begins = timezone.make_aware(datetime.fromisoformat(value))
                ends = begins + timedelta(days=1)
            except (ValueError, OverflowError):
                return queryset.none()
            return queryset.filter(**{f"{self.field}__gte": begins, f"{self.field}__lt": ends})
        return queryset.filter(**{f"{self.field}__gte": now - WINDOWS.get(value or "", MONTH)})
