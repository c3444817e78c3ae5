"""What the ledger says about an account, a hold, or itself. Reads only.

Each answer costs the same however long the account's history is; only the check of the books reads them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing.errors import UnknownReference
from billing.models import Hold, Lot


@dataclass(frozen=True, slots=True)
class Balance:
    """Whole credits: free to use now, set aside for requests that have not ended, and owed."""

    available: int
    held: int
    debt: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the credits for one request. While ``state`` is ``open``, nothing is captured or released."""

    reference: UUID
    account: UUID
    quoted: dict[str, Any]
    held: int
    captured: int
    released: int
    state: Hold.State
    held_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Debt:
    """Credits owed for one grant, which was taken back after they were spent."""

    grant: str
    owed: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A breach of something that must always be true. ``account`` is None where it concerns all of them."""

    rule: str
    account: UUID | None
    subject: str
    detail: str


def balance(*, account: UUID) -> Balance:
    """What the account holds now. Lapsed credits do not count, whether or not that is written down yet.

    An account that was never opened holds nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(lot.remaining), 0), account.held, account.debt
            FROM ledger_account account
            LEFT JOIN ledger_lot lot ON lot.account_id = account.id AND lot.has_remaining
                AND (lot.expires_at IS NULL OR lot.expires_at > (SELECT ledger_now()))
            WHERE account.id = %s GROUP BY account.id
            """,
            [account],
        )
        found = cursor.fetchone()
    return Balance(*(int(credits) for credits in found or (0, 0, 0)))


def lots(*, account: UUID) -> list[Lot]:
    """The account's lots with credits that can be used now, in the order in which they are spent."""
    return list(
        Lot.objects.raw(
            """
            SELECT * FROM ledger_lot
            WHERE account_id = %s AND has_remaining AND (expires_at IS NULL OR expires_at > (SELECT ledger_now()))
            ORDER BY priority, expires_at NULLS LAST, id
            """,
            [account],
        )
    )


def debts(*, account: UUID, limit: int = 20) -> list[Debt]:
    """What the account owes and for which grants: its own, or those of accounts that were merged into it.

    Whatever came later has paid the sum and no grant in particular, so together they may say more than is owed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE source AS (
                SELECT id FROM ledger_account WHERE id = %s
                UNION SELECT merged.id FROM ledger_account merged JOIN source ON merged.merged_into_id = source.id
            )
            SELECT lot.reference, ledger_owed(lot, account.debt)
            FROM source JOIN ledger_lot lot ON lot.account_id = source.id AND lot.repaid < 0
            JOIN ledger_account account ON account.id = %s
            WHERE ledger_owed(lot, account.debt) > 0 ORDER BY lot.id DESC LIMIT %s
            """,
            [account, account, limit],
        )
        return [Debt(*row) for row in cursor.fetchall()]


def receipt(*, reference: UUID) -> Receipt:
    """What was quoted, held, charged and given back for one request.

    Raises:
        UnknownReference: nothing was held under this reference.
    """
    found = receipts(references=[reference])
    if reference not in found:
        raise UnknownReference(f"No credits were held for {reference}.")
    return found[reference]


def receipts(*, references: Iterable[UUID]) -> dict[UUID, Receipt]:
    """The receipts of many requests by reference, in one query. Those that hold nothing are left out."""
    return {hold.id: _receipt_of(hold) for hold in Hold.objects.filter(id__in=list(references))}


def _receipt_of(hold: Hold) -> Receipt:
    return Receipt(
        reference=hold.id,
        account=hold.account_id,
        quoted=hold.quote,
        held=hold.amount,
        captured=hold.captured,
        released=hold.released,
        state=Hold.State(hold.state),
        held_at=hold.held_at,
        settled_at=hold.settled_at,
    )


def open_holds(*, older_than: datetime, limit: int = 200) -> list[Hold]:
    """Holds that were made before ``older_than`` and are not settled, oldest first.

    Whoever sweeps them asks what became of the request, and releases only what has ended. An old hold is no reason
    to charge anybody.
    """
    return list(Hold.objects.filter(state=Hold.State.OPEN, held_at__lt=older_than).order_by("held_at")[:limit])


def violations(*, limit: int = 100, touched_since: datetime | None = None) -> list[Violation]:
    """Breaches of what must always be true; an empty list is the proof that there are none.

    Args:
        touched_since: check only accounts that moved since then, each with its whole history. None checks everything.
    """
    with connection.cursor() as cursor:
        if touched_since is None:
            cursor.execute("SELECT rule, account_id, subject, detail FROM ledger_violations LIMIT %s", [limit])
        else:
            cursor.execute("SELECT DISTINCT account_id FROM ledger_transaction WHERE created_at >= %s", [touched_since])
            touched = [account for (account,) in cursor.fetchall()]
            cursor.execute(
                "SELECT rule, account_id, subject, detail FROM ledger_violations WHERE account_id = ANY(%s) LIMIT %s",
                [touched, limit],
            )
        return [Violation(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole ledger in a few numbers. ``credits`` has what was issued and where all of it is now.

    ``digest`` is over the last hash of every account's chain: kept elsewhere, it proves later that nothing before it
    was rewritten.
    """

    accounts: int
    transactions: int
    entries: int
    credits: dict[str, int]
    digest: str


def totals() -> Totals:
    """Add up everything. Reads every entry."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM ledger_account), (SELECT count(*) FROM ledger_transaction),
                (SELECT count(*) FROM ledger_entry),
                (SELECT encode(sha256(coalesce(string_agg(uuid_send(id) || head, ''::bytea ORDER BY id), '')), 'hex')
                    FROM ledger_account)
            """
        )
        accounts, transactions, entries, digest = cursor.fetchone()
        # What was passed from lot to lot was issued once.
        cursor.execute(
            """
            SELECT coalesce(sum(issued - moved), 0), coalesce(sum(remaining), 0), coalesce(sum(held), 0),
                coalesce(sum(consumed), 0), coalesce(sum(expired), 0), coalesce(sum(clawed), 0),
                coalesce(sum(adjusted), 0), coalesce(sum(repaid), 0), coalesce(sum(forgiven), 0)
            FROM ledger_lot
            """
        )
        names = ("issued", "available", "held", "consumed", "expired", "clawed", "adjusted", "repaid", "forgiven")
        credits = dict(zip(names, map(int, cursor.fetchone()), strict=True))
    return Totals(accounts, transactions, entries, credits, digest)
