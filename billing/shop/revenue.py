"""What came in over a span of time, what Stripe kept of it, and what is still owed in clips for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Count, Sum

from billing.shop import liability
from billing.shop.models import FeeDay, LiabilityDay

_SUMS: Final = "sum(amount_minor), sum(refunded_minor), sum(disputed_minor), count(*)"
_BUCKET: Final = """
    width_bucket(
        extract(epoch FROM {at})::float8,
        extract(epoch FROM %(since)s)::float8, extract(epoch FROM %(end)s)::float8, %(parts)s
    )
"""
_PARTS_SQL: Final = f"""
    WITH changed AS MATERIALIZED (
        SELECT DISTINCT day FROM shop_changedday
        WHERE day >= (%(summed_from)s AT TIME ZONE 'UTC')::date AND day < (%(summed_until)s AT TIME ZONE 'UTC')::date
    ), looked_at (since, until) AS (
        SELECT %(summed_until)s::timestamptz, %(until)s::timestamptz
        UNION ALL
        SELECT day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC' FROM changed
    )
    SELECT currency, {_BUCKET.format(at="paid_at")}, {_SUMS}
    FROM looked_at JOIN shop_payment ON paid_at >= looked_at.since AND paid_at < looked_at.until
    GROUP BY 1, 2
    UNION ALL
    SELECT currency, {_BUCKET.format(at="day::timestamp AT TIME ZONE 'UTC'")},
        sum(paid_minor), sum(refunded_minor), sum(disputed_minor), sum(payments)
    FROM shop_paymentday
    WHERE day >= (%(summed_from)s AT TIME ZONE 'UTC')::date AND day < (%(summed_until)s AT TIME ZONE 'UTC')::date
        AND NOT EXISTS (SELECT FROM changed WHERE changed.day = shop_paymentday.day)
    GROUP BY 1, 2
"""  # noqa: S608 - made of names of columns
_SUM_UP_SQL: Final = f"""
    INSERT INTO shop_paymentday (day, currency, paid_minor, refunded_minor, disputed_minor, payments)
    SELECT day, currency, {_SUMS} FROM unnest(%s::date[]) AS day JOIN shop_payment
        ON paid_at >= day::timestamp AT TIME ZONE 'UTC' AND paid_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2
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

    Whole days are read from their sums, but for those that changed since; so a span of days costs by its days, and a
    payment or refund shows at once.

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
    if since != _midnight(since) or (step % timedelta(days=1) and step != until - since):
        return since, since
    return since, max(since, _midnight(until))


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def sum_up_days() -> None:
    """Sum up the payments of the days that changed since this was last done.

    What commits meanwhile leaves its mark, and its day is summed up again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # Of two at once, one could put back sums that are older than the other's.
        cursor.execute("LOCK TABLE shop_paymentday IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM shop_changedday RETURNING day")
        days = sorted({day for (day,) in cursor.fetchall()})
        cursor.execute("DELETE FROM shop_paymentday WHERE day = ANY (%s::date[])", [days])
        cursor.execute(_SUM_UP_SQL, [days])


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
    counted = liability.last_count()
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
