"""The free credits of the day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import crowds
from accounts.models import Workspace
from billing import ledger
from billing.models import Lot


def give(workspace: Workspace, *, network: str = "") -> None:
    """Today's free credits, to whoever has not had them. One query where there is nothing to give.

    What a person has beyond a visitor comes at once, on the day of signing up too. All visitors of one ``network``, as
    ``accounts.networks.fingerprint_of`` says it, get so many a day; what is beyond that is not given, and not owed.
    """
    now = timezone.now()
    parts = {_reference(part, workspace.id, now): (part, credits) for part, credits in _parts(workspace).items()}
    had = set(Lot.objects.filter(reference__in=parts).values_list("reference", flat=True)) if parts else set()
    for reference, (part, credits) in parts.items():
        if reference in had or not credits:
            continue
        if workspace.is_visitor and network and not crowds.take_free_credits(network, credits):
            continue
        top_up_daily(account=workspace.id, credits=credits, now=now, part=part)


def daily_credits(workspace: Workspace) -> int:
    """What comes every day for nothing. A team, which pays, gets none."""
    return sum(_parts(workspace).values())


def _parts(workspace: Workspace) -> dict[str, int]:
    if workspace.is_team:
        return {}
    if workspace.is_visitor:
        return {"free": settings.FREE_DAILY_CREDITS}
    return {"free": settings.FREE_DAILY_CREDITS, "free-more": settings.SIGNED_IN_DAILY_CREDITS}


def top_up_daily(*, account: UUID, credits: int, now: datetime, part: str = "free") -> None:
    """Give the account today's free credits unless it has had them. They lapse at the next midnight UTC.

    Once a day for each ``part``, whatever ``credits`` was then: a changed allowance counts from tomorrow. 0 gives
    nothing.
    """
    reference = _reference(part, account, now)
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


def _reference(part: str, account: UUID, now: datetime) -> str:
    return f"{part}:{account}:{now.astimezone(UTC):%Y-%m-%d}"
