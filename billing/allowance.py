"""The free credits of the day: so many for a visitor, more for whoever signed in, and a bound for each network."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from accounts.models import Workspace
from billing import ledger
from billing.models import NetworkDay

MOST_REMEMBERED: Final = 50_000
_given: set[str] = set()


def daily_credits(workspace: Workspace | None, *, is_signed_in: bool = False) -> int:
    """Free credits a day for a workspace. Teams have none: their members have their own.

    Args:
        workspace: None for whoever has none yet, of whom ``is_signed_in`` says what kind it will be.
    """
    if workspace is not None and workspace.is_team:
        return 0
    if workspace is not None:
        is_signed_in = not workspace.is_visitor
    visitors: int = settings.FREE_DAILY_CREDITS
    return max(visitors, settings.SIGNED_IN_DAILY_CREDITS) if is_signed_in else visitors


def give(workspace: Workspace, *, now: datetime, network: str = "") -> bool:
    """Give a workspace its free credits of the day. Returns False where its network has had all it may today.

    Args:
        network: what stands for a visitor's network; empty where nobody knows it, and nothing is counted.
    """
    return top_up_daily(
        account=workspace.id,
        credits=daily_credits(workspace),
        now=now,
        is_signed_in=not workspace.is_visitor,
        network=network if workspace.is_visitor else "",
    )


def top_up_daily(*, account: UUID, credits: int, now: datetime, is_signed_in: bool = False, network: str = "") -> bool:
    """Give the account today's free credits unless it has had them. They lapse at the next midnight UTC.

    Once a day, whatever ``credits`` was then: a changed allowance counts from tomorrow. 0 gives nothing. Who signs in
    during the day gets what a visitor has less. Returns whether today's credits were given, now or before.
    """
    reference = f"free:{account}:{now.astimezone(UTC):%Y-%m-%d}"
    signed_in = f"{reference}:signed-in"
    wanted = signed_in if is_signed_in else reference
    if credits <= 0 or wanted in _given:
        return True
    given = _issued(reference, signed_in)
    amount = credits - given.get(reference, 0) if is_signed_in else credits
    if wanted in given:
        _remember(wanted)
    if amount <= 0 or wanted in given:
        return True
    try:
        with transaction.atomic():
            if network and not _is_within_budget(network, now):
                return False
            ledger.grant(
                account=account,
                reference=wanted,
                amount=amount,
                kind=ledger.LotKind.FREE,
                expires_at=refills_at(now),
            )
    except ledger.ReferenceReused:
        # Another process gave today's at this moment, with another idea of how many.
        pass
    return True


def _issued(reference: str, other: str) -> dict[str, int]:
    """Return which of two references the day's credits were issued under, and how many they were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reference, issued FROM ledger_lot WHERE reference IN (%s, %s)", [reference, other])
        return dict(cursor.fetchall())


def _remember(reference: str) -> None:
    """Remember what the ledger said today, which stays true, so that this process need not ask again."""
    if len(_given) >= MOST_REMEMBERED:
        _given.clear()
    _given.add(reference)


def refills_at(now: datetime) -> datetime:
    """When the next daily allowance can be had: the midnight UTC after ``now``."""
    today = now.astimezone(UTC).date()
    return datetime.combine(today + timedelta(days=1), time(), UTC)


def forget_networks(now: datetime) -> None:
    """Delete the counts of days that are over."""
    NetworkDay.objects.filter(day__lt=now.astimezone(UTC).date()).delete()


def _is_within_budget(network: str, now: datetime) -> bool:
    """Count one more allowance for the network and return whether it may have it. In the transaction that gives it.

    One statement, so that two visitors cannot both have the last; and one that writes nothing once all are gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_networkday AS known (day, network, allowances) VALUES (%s, %s, 1)
            ON CONFLICT (day, network) DO UPDATE SET allowances = known.allowances + 1 WHERE known.allowances < %s
            RETURNING allowances
            """,
            [now.astimezone(UTC).date(), network, settings.ALLOWANCES_PER_NETWORK_PER_DAY],
        )
        return cursor.fetchone() is not None
