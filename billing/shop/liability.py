"""What we owe in clips that are paid for and not made, and what lapsed unused, by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db import connection


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
