"""What came in, day by day, and what is still owed in clips for it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Sum
from django.db.models.functions import TruncDate

from billing.shop import liability
from billing.shop.models import LiabilityDay, Payment

_PARTS_SQL: Final = """
    SELECT currency, width_bucket(
            extract(epoch FROM paid_at)::float8,
            extract(epoch FROM %(since)s)::float8, extract(epoch FROM %(until)s)::float8, %(parts)s
        ), sum(amount_minor - refunded_minor)
    FROM shop_payment WHERE paid_at >= %(since)s AND paid_at < %(until)s GROUP BY 1, 2
"""


def by_day(*, days: int, until: datetime) -> dict[str, list[int]]:
    """Return currency → what was paid less what went back, in its smallest unit, on each of the last ``days`` of UTC.

    A refund counts on the day of its payment.
    """
    last = until.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    rows = Payment.objects.filter(paid_at__gte=since).values("currency", day=TruncDate("paid_at", tzinfo=UTC))
    found: dict[str, list[int]] = defaultdict(lambda: [0] * days)
    for row in rows.annotate(paid=Sum("amount_minor"), back=Sum("refunded_minor")):
        found[row["currency"]][_place(row["day"], first, days)] += row["paid"] - row["back"]
    return dict(found)


def refunds_by_day(*, days: int, until: datetime) -> dict[str, list[int]]:
    """Return currency → what went back of the payments of each of the last ``days`` of UTC, in its smallest unit.

    A currency of which nothing went back has no entry.
    """
    last = until.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    rows = Payment.objects.filter(paid_at__gte=since, refunded_minor__gt=0)
    found: dict[str, list[int]] = defaultdict(lambda: [0] * days)
    for row in rows.values("currency", day=TruncDate("paid_at", tzinfo=UTC)).annotate(back=Sum("refunded_minor")):
        found[row["currency"]][_place(row["day"], first, days)] += row["back"]
    return dict(found)


def by_part(*, since: datetime, until: datetime, parts: int) -> dict[str, list[int]]:
    """Return currency → what was paid less what went back, in its smallest unit, in each of so many equal parts."""
    found: dict[str, list[int]] = defaultdict(lambda: [0] * parts)
    with connection.cursor() as cursor:
        cursor.execute(_PARTS_SQL, {"since": since, "until": until, "parts": parts})
        for currency, part, paid in cursor.fetchall():
            found[currency][min(max(part, 1), parts) - 1] += int(paid)
    return dict(found)


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


def owed_by_day(*, days: int, until: datetime) -> dict[str, list[int | None]]:
    """Return currency → what was owed on each of the last ``days`` of UTC, None where it was not counted."""
    last = until.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    found: dict[str, list[int | None]] = defaultdict(lambda: [None] * days)
    for noted in LiabilityDay.objects.filter(day__range=(first, last)).order_by("currency", "day"):
        found[noted.currency][_place(noted.day, first, days)] = noted.unspent_minor
    return dict(found)


def _place(day: date, first: date, days: int) -> int:
    """Of a clock that is ahead, the last day."""
    return min((day - first).days, days - 1)
