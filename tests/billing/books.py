"""What the tests of any app need around the ledger: proof that the books are right, and a clock that can be moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from billing import ledger
from billing.ledger import LotKind
from billing.models import Lot

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


def assert_books_are_right() -> None:
    """No violation stands in the ledger, and no transaction waits to be found unbalanced at commit."""
    connection.check_constraints()
    assert ledger.violations(limit=20) == []


def empty_ledger() -> None:
    """Forget everything, for tests that commit: the tables refuse it to whoever does not switch their triggers off."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("TRUNCATE ledger_hold, ledger_entry, ledger_transaction, ledger_lot, ledger_account")


class LedgerClock:
    """Stands in for the database's clock within the test's transaction: ``ledger_now()`` reads it instead."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    @classmethod
    def install(cls, now: datetime | None = None) -> LedgerClock:
        """Stop the ledger's clock at ``now`` until the current transaction is rolled back."""
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
                "$$ SELECT current_setting('ledger_tests.now')::timestamptz $$"
            )
        clock = cls(now or datetime.now(UTC))
        clock.set(clock._now)
        return clock

    @property
    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        self._now = now
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('ledger_tests.now', %s, false)", [now.isoformat()])

    def advance(self, by: timedelta) -> datetime:
        self.set(self._now + by)
        return self._now


def grant(account: UUID, amount: int, *, reference: str = "", **terms: Any) -> str:
    """Grant so many credits, a pack unless told otherwise, and return the reference."""
    reference = reference or f"order:{uuid4()}"
    ledger.grant(account=account, reference=reference, amount=amount, **{"kind": LotKind.PACK} | terms)
    return reference


def hold(account: UUID, amount: int, *, reference: UUID | None = None) -> UUID:
    """Hold so many credits for a new request and return its reference."""
    reference = reference or uuid4()
    ledger.hold(account=account, reference=reference, amount=amount, expires_at=FAR_AWAY, quote={"credits": amount})
    return reference


def spend(account: UUID, amount: int) -> None:
    """Hold so many credits and charge them."""
    ledger.capture(reference=hold(account, amount))


def lot(reference: str) -> Lot:
    """The lot as it is now."""
    return Lot.objects.get(reference=reference)


def balance(account: UUID) -> tuple[int, int, int]:
    """Available, held and debt."""
    now = ledger.balance(account=account)
    return now.available, now.held, now.debt
