"""The free credits of the day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db import transaction

from billing import ledger
from billing.models import Lot


def top_up_daily(*, account: UUID, credits: int, now: datetime) -> None:
    """Give the account today's free credits unless it has had them. They lapse at the next midnight UTC.

    Once a day, whatever ``credits`` was then: a changed allowance counts from tomorrow. 0 gives nothing.
    """
    reference = f"free:{account}:{now.astimezone(UTC):%Y-%m-%d}"
    if credits == 0 or Lot.objects.filter(reference=reference).exists():
        return
    try:
        with transaction.atomic():
            ledger.grant(
                account=account,
                reference=reference,
                amount=credits,
                kind=ledger.LotKind.FREE,
                expires_at=refills_at(now),
            )
    except ledger.ReferenceReused:
        # Another process gave today's at this moment, with another idea of how many.
        return


def refills_at(now: datetime) -> datetime:
    """When the next daily allowance can be had: the midnight UTC after ``now``."""
    today = now.astimezone(UTC).date()
    return datetime.combine(today + timedelta(days=1), time(), UTC)
