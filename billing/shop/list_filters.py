"""Filters of the admin's lists of what is paid, each of which an index or a few known values serve."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.shop.models import Payment
from loremotion.staff_words import as_words
from loremotion.time_filter import TimeFilter
from loremotion.value_filter import ValueFilter


def in_words(status: str) -> str:
    """Return how a subscription stands, in the spelling of all other pages."""
    return "Cancelled" if status == "canceled" else as_words(status)


class StatusFilter(ValueFilter):
    """By what Stripe calls it: these are all that its API knows."""

    title = parameter_name = "status"
    values = ("active", "trialing", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "paused")

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(value, in_words(value)) for value in self.values]


class PaidFilter(TimeFilter):
    title = "paid"
    field = "paid_at"
    lifted_by = ("disputed",)


class DisputedFilter(admin.SimpleListFilter):
    """Payments that were disputed, which an index finds among all."""

    title = "dispute"
    parameter_name = "disputed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("to-answer", "To answer"), ("any", "Any")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        match self.value():
            case "to-answer":
                return queryset.filter(dispute_status__in=Payment.DISPUTES_TO_ANSWER)
            case "any":
                return queryset.exclude(dispute_status="")
        return queryset
