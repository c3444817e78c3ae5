"""What came in over a span of time, what Stripe kept of it, and what is still owed in clips for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Sum
from django.utils import timezone

from billing.shop import liability
from billing.shop.models import FeeDay, LiabilityDay

LIVE_DAYS: Final = 62
"""Of payments since then each is summed up when somebody looks: a month and the one before. What is older is read from
the sums of its days, in which a refund shows ten minutes later."""
SUMMED_DAYS: Final = 4 * 366
"""Two years, and as much before them to compare with."""
_SUMS: Final = "sum(amount_minor), sum(refunded_minor), sum(disputed_minor), count(*)"
_BUCKET: Final = """
    width_bucket(
        extract(epoch FROM {at})::float8,
        extract(epoch FROM %(since)s)::float8, extract(epoch FROM %(end)s)::float8, %(parts)s
    )
"""
_PARTS_SQL: Final = f"""
    SELECT currency, {_BUCKET.format(at="paid_at")}, {_SUMS} FROM shop_payment
    WHERE paid_at >= %(since)s AND paid_at < %(until)s AND (paid_at < %(summed_from)s OR paid_at >= %(summed_until)s)
    GROUP BY 1, 2
    UNION ALL
    SELECT currency, {_BUCKET.format(at="day::timestamp AT TIME ZONE 'UTC'")},
        sum(paid_minor), sum(refunded_minor), sum(disputed_minor), sum(payments)
    FROM shop_paymentday
    WHERE day >= (%(summed_from)s AT TIME ZONE 'UTC')::date AND day < (%(summed_until)s AT TIME ZONE 'UTC')::date
    GROUP BY 1, 2
"""  # noqa: S608 - made of names of columns
_SUM_UP_SQL: Final = f"""
    INSERT INTO shop_paymentday AS kept (day, currency, paid_minor, refunded_minor, disputed_minor, payments)
    SELECT (paid_at AT TIME ZONE 'UTC')::date, currency, {_SUMS} FROM shop_payment
    WHERE paid_at >= %s GROUP BY 1, 2
    ON CONFLICT (day, currency) DO UPDATE SET paid_minor = excluded.paid_minor,
        refunded_minor = excluded.refunded_minor, disputed_minor = excluded.disputed_minor, payments = excluded.payments
    WHERE (kept.paid_minor, kept.refunded_minor, kept.disputed_minor, kept.payments)
        IS DISTINCT FROM (excluded.paid_minor, excluded.refunded_minor, excluded.disputed_minor, excluded.payments)
"""  # noqa: S608 - made of names of columns


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
    def total(self) -> Takings:
        """The same in one part."""
        return Takings([sum(self.paid)], [sum(self.refunded)], [sum(self.disputed)], [sum(self.payments)])

    @property
    def kept(self) -> list[int]:
        """What was paid less what was refunded."""
        return [paid - back for paid, back in zip(self.paid, self.refunded, strict=True)]

    @property
    def left(self) -> list[int]:
        """What was paid less what was refunded and what is disputed."""
        return [kept - lost for kept, lost in zip(self.kept, self.disputed, strict=True)]


def takings(*, since: datetime, until: datetime, parts: int = 1, end: datetime | None = None) -> dict[str, Takings]:
    """Return currency → what came in each of so many equal parts of the span, in one query.

    Args:
        end: where the last part ends, if that is later than ``until``.
    """
    end = until if end is None else end
    summed_from, summed_until = _summed(since, until, (end - since) / parts)
    asked: dict[str, Any] = {"since": since, "until": until, "end": end, "parts": parts}
    found: dict[str, Takings] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PARTS_SQL, asked | {"summed_from": summed_from, "summed_until": summed_until})
        for currency, part, *sums in cursor.fetchall():
            of_currency = found.setdefault(currency, Takings.none(parts))
            place = min(max(part, 1), parts) - 1
            columns = (of_currency.paid, of_currency.refunded, of_currency.disputed, of_currency.payments)
            for column, amount in zip(columns, sums, strict=True):
                column[place] += int(amount)
    return found


def _summed(since: datetime, until: datetime, step: timedelta) -> tuple[datetime, datetime]:
    """From when until before when the sums of days are read: none, where they are not what a span is made of."""
    live_from = _midnight(timezone.now()) - timedelta(days=LIVE_DAYS)
    if since != _midnight(since) or (step % timedelta(days=1) and step != until - since):
        return since, since
    return since, max(since, min(live_from, _midnight(until)))


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def sum_up_days() -> None:
    """Keep the sums of each day's payments as they are now, for the pages to read."""
    with connection.cursor() as cursor:
        cursor.execute(_SUM_UP_SQL, [_midnight(timezone.now()) - timedelta(days=SUMMED_DAYS)])


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
