"""Tiles and plots of the page of money: what came, what went back, what Stripe kept, beside the range before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Count
from django.urls import reverse

from billing.models import LOT_TITLES
from billing.shop import liability, revenue
from billing.shop.models import Mismatch, Reconciliation, StripeEvent
from billing.shop.money import format_amount, in_units
from billing.shop.revenue import Takings
from generation.figures import Span
from generation.staff.money_ranges import MoneyRange
from generation.staff.tiles import LEAST_COMPARED, UNKNOWN, Tile, plot, was
from loremotion.read_through import get_or_make

KEPT_SECONDS: Final = 30
"""Staff look together; a refund shows within this."""
MOST_COUNTED: Final = 1000


def of(shown: MoneyRange) -> dict[str, Any]:
    """Return tiles, plots and when the parts of these begin, counted once in a while however many look."""
    found = get_or_make(f"admin-money:{shown.query}", lambda: _count(shown), seconds=KEPT_SECONDS)
    return {**found, "edges": [datetime.fromisoformat(edge) for edge in found["edges"]]}


def given_credits() -> list[Tile]:
    """Return what is owed in clips and was paid by nobody: the other part of what customers can spend."""
    counted = liability.last_count()
    if counted is None:
        return [Tile("Unspent, given away", UNKNOWN, "not counted yet", reverse("admin:shop_liability"))]
    kinds = sorted(counted.given.items(), key=lambda each: -each[1])
    parts = ", ".join(f"{LOT_TITLES.get(kind, kind).lower()} {credits:,}" for kind, credits in kinds)
    total = f"{sum(counted.given.values()):,} credits"
    return [Tile("Unspent, given away", total, parts or "paid by nobody", reverse("admin:shop_liability"))]


def _count(shown: MoneyRange) -> dict[str, Any]:
    """As JSON can hold it."""
    span = shown.span
    since, until = shown.before
    before = revenue.takings(since=since, until=until)
    if shown.is_by_day:
        course = revenue.takings(since=span.since, until=shown.until, parts=span.parts, end=span.until)
        now = {currency: each.total for currency, each in course.items()}
    else:  # which begins within an hour, and its plot at one
        course = revenue.takings(since=span.since, until=span.until, parts=span.parts)
        now = revenue.takings(since=shown.since, until=shown.until)
    fees = revenue.fees(shown.first, shown.last) if shown.is_by_day else {}
    tiles = _tiles(now, before, course, fees, _fees_before(shown), shown)
    return {
        "tiles": [asdict(tile) for tile in tiles],
        "edges": [edge.isoformat() for edge in span.edges],
        "plots": [*_plots_of(course), *_owed(shown), *_of_stripe(span)],
    }


def _fees_before(shown: MoneyRange) -> dict[str, revenue.Fees]:
    """What Stripe kept of the range before, of as many days: of today no statement is there, so none of its like."""
    if not shown.is_by_day:
        return {}
    since, until = shown.before
    last = (until - timedelta(microseconds=1)).date() - shown.is_going_on * timedelta(days=1)
    return revenue.fees(since.date(), last)


def _tiles(
    now: dict[str, Takings],
    before: dict[str, Takings],
    course: dict[str, Takings],
    fees: dict[str, revenue.Fees],
    fees_before: dict[str, revenue.Fees],
    shown: MoneyRange,
) -> list[Tile]:
    """What came in each currency of the payers, what Stripe kept in the account's, and what was left.

    Fees are taken off the net only if everybody paid in the account's currency: else they are no part of one sum.
    """
    none, none_of_course = Takings.none(1), Takings.none(shown.span.parts)
    each = [
        (currency, now.get(currency, none), before.get(currency, none), course.get(currency, none_of_course))
        for currency in sorted({*now, *before})
    ]
    is_one_currency = len(fees) == 1 and {*now} == {*fees}
    return [
        *(tile for sums in each for tile in _came(*sums)),
        *(_fees(fees, shown) if each or fees else ()),
        *(
            _net(*sums, *((kept.get(sums[0]) if is_one_currency else None) for kept in (fees, fees_before)))
            for sums in each
        ),
    ]


def _came(currency: str, now: Takings, before: Takings, course: Takings) -> list[Tile]:
    paid, refunded, disputed = now.paid[0], now.refunded[0], now.disputed[0]
    of, count = currency.upper(), now.payments[0]
    payments = "payment" if count == 1 else "payments"
    return [
        Tile(
            f"Gross, {of}",
            format_amount(paid, currency),
            f"{count:,} {payments}; {_was(paid, before.paid[0], currency, before)}",
            course=course.paid,
        ),
        Tile(
            f"Refunded, {of}",
            format_amount(refunded, currency),
            f"and {format_amount(disputed, currency)} disputed; {_was(refunded, before.refunded[0], currency, before)}",
            course=course.refunded,
        ),
    ]


def _fees(fees: dict[str, revenue.Fees], shown: MoneyRange) -> list[Tile]:
    """What Stripe kept, in the account's currency, and how well that is known."""
    if not fees:
        return [
            Tile("Stripe's fees", UNKNOWN, "no statement was read yet" if shown.is_by_day else "known by whole days")
        ]
    days = (shown.last - shown.first).days + 1
    return [
        Tile(
            f"Stripe's fees, {currency.upper()}",
            format_amount(kept.minor, currency),
            "as its statements say" if kept.days == days else f"known of {kept.days} of {days} days",
        )
        for currency, kept in sorted(fees.items())
    ]


def _net(
    currency: str,
    now: Takings,
    before: Takings,
    course: Takings,
    fees: revenue.Fees | None,
    fees_before: revenue.Fees | None,
) -> Tile:
    """What was left, less the fees where those are in the same currency, beside the same of the range before."""
    net, net_before = now.left[0], before.left[0]
    if fees is None:
        title, left, note = "Net before fees", net, _was(net, net_before, currency, before)
    elif fees_before is None and before.payments[0]:  # of which nobody knows the fees
        title, left = "Net", net - fees.minor
        note = f"{format_amount(net, currency)} before fees; {_was(net, net_before, currency, before)}"
    else:
        title, left = "Net", net - fees.minor
        note = _was(left, net_before - (fees_before.minor if fees_before else 0), currency, before)
    return Tile(f"{title}, {currency.upper()}", format_amount(left, currency), note, course=course.left)


def _was(now: int, before: int, currency: str, of: Takings) -> str:
    """What a sum was in the range before, with the change where that rests on enough payments."""
    if not before or of.payments[0] < LEAST_COMPARED:
        return f"was {format_amount(before, currency)}"
    change, _, _ = was(now, before, of=of.payments[0]).partition(",")
    return f"{change}, was {format_amount(before, currency)}"


def _plots_of(course: dict[str, Takings]) -> list[dict[str, Any]]:
    """What was paid and kept, and what of it went back, stacked to what was paid."""
    return [
        plot(
            f"Paid in {currency.upper()}, by day of payment",
            {
                name: _whole(parts, currency)
                for name, parts in (("kept", each.left), ("refunded", each.refunded), ("disputed", each.disputed))
                if name == "kept" or any(parts)
            },
        )
        for currency, each in sorted(course.items())
    ]


def _owed(shown: MoneyRange) -> list[dict[str, Any]]:
    """What was owed in clips at the end of each part, of a range of days."""
    if not shown.is_by_day:
        return []
    span, size = shown.span, (shown.span.until - shown.span.since) // shown.span.parts // timedelta(days=1)
    last = (span.until - timedelta(days=1)).astimezone(UTC).date()
    return [
        plot(
            f"Unspent liability in {currency.upper()}",
            {"owed": [_last_of(days[at : at + size], currency) for at in range(0, len(days), size)]},
            kind="lines",
        )
        for currency, days in sorted(revenue.owed_by_day(shown.first, last).items())
    ]


def _last_of(days: Sequence[int | None], currency: str) -> float | None:
    known = [amount for amount in days if amount is not None]
    return float(in_units(known[-1], currency)) if known else None


def _of_stripe(span: Span) -> list[dict[str, Any]]:
    """Differences with Stripe that each comparison of the books mended or left to staff, and events given up."""
    compared = Mismatch.objects.filter(
        reconciliation__kind=Reconciliation.Kind.BOOKS,
        reconciliation__began_at__gte=span.since,
        reconciliation__began_at__lt=span.until,
    )
    by_comparison = compared.order_by().values_list("reconciliation__began_at", "is_mended").annotate(Count("id"))
    found = {"left to you": [0] * span.parts, "mended": [0] * span.parts}
    for at, is_mended, count in by_comparison:
        found["mended" if is_mended else "left to you"][_place(at, span)] += count
    failed = [0] * span.parts
    dead = StripeEvent.objects.filter(
        state=StripeEvent.State.DEAD, received_at__gte=span.since, received_at__lt=span.until
    )
    for at in dead.order_by("-received_at").values_list("received_at", flat=True)[:MOST_COUNTED]:
        failed[_place(at, span)] += 1
    plots = [plot("Differences with Stripe", found)]
    return [*plots, plot("Stripe events that failed", {"failed": failed})] if any(failed) else plots


def _place(at: datetime, span: Span) -> int:
    return int(span.parts * ((at - span.since) / (span.until - span.since)))


def _whole(parts: Sequence[int], currency: str) -> list[int]:
    """In whole units of the currency, which is as fine as a plot shows; what went back makes no column."""
    return [max(0, round(in_units(amount, currency))) for amount in parts]
