"""The admin's page of money: revenue, what is owed in clips, what is given away, and whether Stripe says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from billing import free_gpu_budget
from billing.models import Proposal
from billing.shop import revenue
from billing.shop.models import Mismatch, Reconciliation, StripeEvent
from billing.shop.money import decimals_of, formatted

DAYS: Final = 30
LATELY: Final = timedelta(days=7)
MOST_COUNTED: Final = 1000


def page(request: HttpRequest) -> HttpResponse:
    """Sums of the last month, beside those of the month before, and what waits for somebody."""
    now = timezone.now()
    paid = revenue.by_day(days=2 * DAYS, until=now)
    owed = revenue.owed()
    used, most = free_gpu_budget.used_today(now)
    context = {
        **admin.site.each_context(request),
        "title": "Revenue and liability",
        "sums": [
            (formatted(sum(days[DAYS:]), currency), formatted(sum(days[:DAYS]), currency))
            for currency, days in sorted(paid.items())
        ],
        "owed": None if owed is None else [formatted(amount, currency) for currency, amount in sorted(owed.items())],
        "free_left_minutes": max(0.0, most - used) / 60,
        "free_most_minutes": most / 60,
        "differences": Mismatch.objects.open()[:MOST_COUNTED].count(),
        "dead": StripeEvent.objects.filter(state=StripeEvent.State.DEAD, received_at__gte=now - LATELY)[
            :MOST_COUNTED
        ].count(),
        "proposals": Proposal.objects.waiting()[:MOST_COUNTED].count(),
        "edges": _edges(now),
        "courses": [
            (f"Unspent liability in {currency.upper()}", {"owed": _in_units(days, currency)})
            for currency, days in sorted(revenue.owed_by_day(days=DAYS, until=now).items())
        ],
        "plots": [
            *(
                (f"Revenue in {currency.upper()}", {"paid": _whole(days[DAYS:], currency)})
                for currency, days in sorted(paid.items())
            ),
            *(
                (f"Refunds in {currency.upper()}, by day of their payment", {"refunded": _whole(days, currency)})
                for currency, days in sorted(revenue.refunds_by_day(days=DAYS, until=now).items())
            ),
            ("Differences with Stripe", _differences(now)),
            *([("Stripe events that failed", {"failed": failed})] if any(failed := _failed_events(now)) else ()),
        ],
    }
    return TemplateResponse(request, "admin/shop/money.html", context)


def _edges(now: datetime) -> list[datetime]:
    """When each day of the plots begins."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]


def _failed_events(now: datetime) -> list[int]:
    """How many events of Stripe were given up, by the day on which they came."""
    edges = _edges(now)
    found = [0] * DAYS
    dead = StripeEvent.objects.filter(state=StripeEvent.State.DEAD, received_at__gte=edges[0])
    for at in dead.order_by("-received_at").values_list("received_at", flat=True)[:MOST_COUNTED]:
        found[min((at - edges[0]).days, DAYS - 1)] += 1
    return found


def _differences(now: datetime) -> dict[str, list[int]]:
    """How many differences each day's comparison of the books mended, and how many it left to staff."""
    edges = _edges(now)
    compared = Mismatch.objects.filter(
        reconciliation__kind=Reconciliation.Kind.BOOKS, reconciliation__began_at__gte=edges[0]
    )
    by_day = compared.values("is_mended", day=TruncDate("reconciliation__began_at", tzinfo=UTC))
    found = {"left to you": [0] * DAYS, "mended": [0] * DAYS}
    for row in by_day.annotate(count=Count("id")):
        place = min((row["day"] - edges[0].date()).days, DAYS - 1)
        found["mended" if row["is_mended"] else "left to you"][place] += row["count"]
    return found


def _in_units(days: list[int | None], currency: str) -> list[float | None]:
    unit = 10 ** decimals_of(currency)
    return [None if amount is None else float(round(amount / unit)) for amount in days]


def _whole(days: list[Any], currency: str) -> list[int]:
    """In whole units of the currency, which is as fine as a plot shows; what went back makes no column."""
    unit = 10 ** decimals_of(currency)
    return [max(0, round(amount / unit)) for amount in days]
