"""What came in over a span of time, what Stripe kept of it, and what is still owed in clips for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db import connection
from django.db.models import Count, Sum

from billing.shop import liability
from billing.shop.models import FeeDay, LiabilityDay

_PARTS_SQL: Final = """
    SELECT currency, width_bucket(
            extract(epoch FROM paid_at)::float8,
            extract(epoch FROM %(since)s)::float8, extract(epoch FROM %(until)s)::float8, %(parts)s
        ), sum(amount_minor), sum(refunded_minor), sum(disputed_minor), count(*)
    FROM shop_payment WHERE paid_at >= %(since)s AND paid_at < %(until)s GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Takings:
    """What was paid in one currency in each part of a span, in its smallest unit, and what of it has gone back by now.

    A refund or a dispute counts on the day of its payment.
    """

    paid: list[int]
    refunded: list[int]
    disputed: list[int]
    payments: list[int]
    """How many there were."""

    @classmethod
    def none(cls, parts: int) -> Takings:
        return cls(*([0] * parts for _ in range(4)))

    @property
    def kept(self) -> list[int]:
        """What was paid less what was refunded."""
        return [paid - back for paid, back in zip(self.paid, self.refunded, strict=True)]

    @property
    def left(self) -> list[int]:
        """What was paid less what was refunded and what is disputed."""
        return [kept - lost for kept, lost in zip(self.kept, self.disputed, strict=True)]


def takings(*, since: datetime, until: datetime, parts: int = 1) -> dict[str, Takings]:
    """Return currency → what came in each of so many equal parts of the span. One query, of the span's payments."""
    found: dict[str, Takings] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PARTS_SQL, {"since": since, "until": until, "parts": parts})
        for currency, part, *sums in cursor.fetchall():
            of_currency = found.setdefault(currency, Takings.none(parts))
            place = min(max(part, 1), parts) - 1
            columns = (of_currency.paid, of_currency.refunded, of_currency.disputed, of_currency.payments)
            for column, amount in zip(columns, sums, strict=True):
                column[place] += int(amount)
    return found


def by_part(*, since: datetime, until: datetime, parts: int) -> dict[str, list[int]]:
    """Return currency → what was paid less what went back, in its smallest unit, in each of so many equal parts."""
    return {currency: each.kept for currency, each in takings(since=since, until=until, parts=parts).items()}


@dataclass(frozen=True, slots=True)
class Fees:
    """What Stripe kept of an account, in its smallest unit, and on how many days that is known."""

    minor: int
    days: int


def fees(first: date, last: date) -> dict[str, Fees]:
    """Return the account's currency → what Stripe kept from ``first`` to ``last`` of UTC, as its statements said."""
    rows = FeeDay.objects.filter(day__range=(first, last)).values("currency")
    return {
        row["currency"]: Fees(row["kept"], row["days"])
        for row in rows.annotate(kept=Sum("fee_minor"), days=Count("id"))
    }


def owed() -> dict[str, int] | None:
    """Return currency → what was paid for credits that were not spent when it was last counted: a liability.

    None where it was not counted yet.
    """
    counted = liability.counted()
    if counted is None:
        return None
    found: dict[str, int] = defaultdict(int)
    for month in counted.months:
        found[month.currency] += month.unspent_minor
    return dict(found)


def owed_by_day(first: date, last: date) -> dict[str, list[int | None]]:
    """Return currency → what was owed on each day of UTC from ``first`` to ``last``, None where it was not counted."""
    days = (last - first).days + 1
    found: dict[str, list[int | None]] = defaultdict(lambda: [None] * days)
    for noted in LiabilityDay.objects.filter(day__range=(first, last)).order_by("currency", "day"):
        found[noted.currency][(noted.day - first).days] = noted.unspent_minor
    return dict(found)
