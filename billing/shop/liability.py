"""What we owe in clips that are paid for and not made, and what lapsed unused, by month.

Counting follows each credit that was bought in two years, which takes seconds on a site that has sold much. So the beat
has a worker count, and pages read what was counted last.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import redis
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from billing.shop.models import LiabilityDay

_KEY: Final = "shop:liability"
_KEPT_SECONDS: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Month:
    """Credits that were paid for in a month, and where they are now. ``lapsed`` is breakage, ``unspent`` a liability.

    ``written_off`` is the part of ``taken_back`` that was spent before and that staff does not ask for any more.
    ``unspent_minor`` is the part of the money that has not been earned yet, in the currency of the payments.
    """

    month: date
    currency: str
    paid_minor: int
    credits: int
    unspent: int
    spent: int
    lapsed: int
    taken_back: int
    written_off: int
    unspent_minor: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The months as they were at a time."""

    at: datetime
    months: tuple[Month, ...]
    given: dict[str, int]
    """Kind of lot → unspent credits that nobody paid for."""


def count() -> None:
    """Count anew, for the pages to read, and note what is owed today.

    Raises:
        redis.RedisError: Valkey is away, and what was counted is lost.
    """
    at = timezone.now()
    months = [asdict(month) | {"month": month.month.isoformat()} for month in by_month()]
    _note(at.astimezone(UTC).date(), months)
    cache.set(_KEY, {"at": at.isoformat(), "months": months, "given": _given()}, _KEPT_SECONDS)


def _note(day: date, months: list[dict[str, Any]]) -> None:
    """Keep the sums of ``months`` as those of ``day``: the last count of a day is what stands."""
    owed: dict[str, int] = defaultdict(int)
    for month in months:
        owed[month["currency"]] += month["unspent_minor"]
    LiabilityDay.objects.bulk_create(
        [LiabilityDay(day=day, currency=currency, unspent_minor=minor) for currency, minor in owed.items()],
        update_conflicts=True,
        unique_fields=["day", "currency"],
        update_fields=["unspent_minor"],
    )


def last_count() -> Counted | None:
    """Return what was counted last; None where nobody has counted yet, or Valkey is away."""
    try:
        kept = cache.get(_KEY)
    except redis.RedisError:
        return None
    if kept is None:
        return None
    months = (Month(**{**month, "month": date.fromisoformat(month["month"])}) for month in kept["months"])
    return Counted(datetime.fromisoformat(kept["at"]), tuple(months), kept.get("given", {}))


def _given() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT kind, sum(remaining + held)::bigint FROM ledger_lot
            WHERE kind NOT IN ('plan', 'pack') AND remaining + held > 0
                AND (held > 0 OR expires_at IS NULL OR expires_at > (SELECT ledger_now()))
            GROUP BY kind
            """
        )
        return dict(cursor.fetchall())


def by_month(*, months: int = 24) -> list[Month]:
    """The last months, newest first, a row for each currency. Credits are followed into whatever lots they moved to."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE payment AS (
                SELECT *, date_trunc('month', paid_at AT TIME ZONE 'UTC')::date AS month FROM shop_payment
                WHERE paid_at >= date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => %s)
            ),
            family AS (
                SELECT lot.id, payment.id AS payment_id FROM payment
                JOIN ledger_lot lot ON lot.reference IN (payment.source, payment.source || ':rollover')
                UNION ALL
                SELECT child.id, family.payment_id FROM ledger_lot child JOIN family ON child.parent_id = family.id
            ),
            held AS (
                SELECT family.payment_id,
                    sum(lot.remaining + lot.held) AS unspent,
                    sum(lot.consumed + lot.repaid + lot.adjusted + lot.forgiven) AS spent,
                    sum(lot.expired) AS lapsed, sum(lot.clawed) AS taken_back, -sum(lot.forgiven) AS written_off
                FROM family JOIN ledger_lot lot ON lot.id = family.id GROUP BY family.payment_id
            )
            SELECT payment.month, payment.currency, sum(payment.amount_minor)::bigint, sum(payment.credits)::bigint,
                coalesce(sum(held.unspent), 0)::bigint, coalesce(sum(held.spent), 0)::bigint,
                coalesce(sum(held.lapsed), 0)::bigint, coalesce(sum(held.taken_back), 0)::bigint,
                coalesce(sum(held.written_off), 0)::bigint,
                coalesce(sum(payment.amount_minor * held.unspent / payment.credits), 0)::bigint
            FROM payment LEFT JOIN held ON held.payment_id = payment.id
            GROUP BY payment.month, payment.currency ORDER BY payment.month DESC, payment.currency
            """,
            [months],
        )
        return [Month(*row) for row in cursor.fetchall()]
