"""The admin's page of money over a range of days, and its payments as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import PermissionsMixin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts import exports, whose
from accounts.models import User
from billing.shop import disputes, gateway, liability
from billing.shop.models import Payment
from billing.shop.money import format_amount, in_units
from generation.staff import money_figures, money_ranges, needs
from generation.staff.money_ranges import NAMED, MoneyRange
from generation.staff.now import of_money
from loremotion.csv_lines import csv_line
from loremotion.staff_pages import RightLacking

LATEST: Final = 12
ROWS_AT_ONCE: Final = 500
COLUMNS: Final = (
    *("paid at", "workspace", "what", "currency", "amount", "refunded", "disputed", "dispute", "credits"),
    *("source", "payment at Stripe", "invoice at Stripe"),
)


def page(request: HttpRequest) -> HttpResponse:
    """What waits for somebody, how money stands now, and how it went over the range that the address names."""
    user, now = cast(PermissionsMixin, request.user), timezone.now()
    shown = money_ranges.range_of(request.GET.dict(), now)
    context = {
        **admin.site.each_context(request),
        "title": "Revenue and liability",
        "range": shown,
        "ranges": [{"name": name, "title": title, "is_chosen": name == shown.name} for name, title in NAMED.items()],
        "today": now.date(),
        "needs": needs.of_money(user),
        "now": [*of_money(), *money_figures.given_credits()],
        "counted": liability.last_count(),
        **money_figures.of(shown),
    }
    if user.has_perm("shop.view_payment"):
        context["payments"] = _rows_of(
            _paid_in(shown).order_by("-paid_at", "-id")[:LATEST],
            names_customers=user.has_perm("accounts.view_workspace"),
        )
    return TemplateResponse(request, "admin/shop/money.html", context)


def export(request: HttpRequest) -> HttpResponseBase:
    """The range's payments as CSV, newest first, line by line.

    Raises:
        TooMany: this member of staff is reading as many already as anybody may.
    """
    user = cast(User, request.user)
    if not user.has_perm("shop.view_payment"):
        raise RightLacking("shop.view_payment")
    shown = money_ranges.range_of(request.GET.dict(), timezone.now())
    name = f"payments-{shown.first}-{shown.last}.csv"
    return exports.csv_file(_lines_of(shown), name=name, reader=UUID(int=user.pk))


def _paid_in(shown: MoneyRange) -> QuerySet[Payment]:
    rows = Payment.objects.filter(paid_at__gte=shown.since, paid_at__lt=shown.until)
    return rows.select_related("price__plan", "price__pack")


def _rows_of(payments: QuerySet[Payment], *, names_customers: bool) -> list[dict[str, Any]]:
    """Who may not look customers up reads ids, as in the lists."""
    names = whose.titles(payment.workspace for payment in payments) if names_customers else {}
    return [
        {
            "payment": payment,
            "customer": names.get(payment.workspace, "" if names_customers else str(payment.workspace)),
            "amount": format_amount(payment.amount_minor, payment.currency),
            "refunded": format_amount(payment.refunded_minor, payment.currency) if payment.refunded_minor else "",
            "dispute": disputes.in_words(payment),
            "is_to_answer": disputes.is_to_answer(payment),
            "at_stripe": gateway.dashboard_address(payment.stripe_payment_intent_id or payment.stripe_invoice_id),
        }
        for payment in payments
    ]


def _lines_of(shown: MoneyRange) -> Iterator[str]:
    """Read a few hundred at a time, each from an index: whoever reads slowly holds no query open."""
    yield csv_line(COLUMNS)
    rows = _paid_in(shown).order_by("-paid_at", "-id")
    last: Payment | None = None
    while found := list(_after(rows, last)[:ROWS_AT_ONCE]):
        for payment in found:
            yield csv_line(_cells_of(payment))
        last = found[-1]


def _after(rows: QuerySet[Payment], last: Payment | None) -> QuerySet[Payment]:
    if last is None:
        return rows
    return rows.filter(paid_at__lte=last.paid_at).exclude(Q(paid_at=last.paid_at) & Q(id__gte=last.id))


def _cells_of(payment: Payment) -> list[object]:
    money = (payment.amount_minor, payment.refunded_minor, payment.disputed_minor)
    return [
        payment.paid_at.isoformat(),
        str(payment.workspace),
        str(payment.price.item),
        payment.currency.upper(),
        *(in_units(amount, payment.currency) for amount in money),
        payment.dispute_status,
        payment.credits,
        payment.source,
        payment.stripe_payment_intent_id or "",
        payment.stripe_invoice_id,
    ]
