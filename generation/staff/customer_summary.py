"""What staff should know of a customer before anything else: whatever is not as it is with most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format

from accounts import bans
from accounts.models import Workspace


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that is out of the ordinary, and the part of the page that says more."""

    words: str
    place: str
    is_bad: bool = True
    """Whether something is wrong; else something waits."""


def flags_of(workspace: Workspace, shown: Mapping[str, Any]) -> list[Flag]:
    """Return the flags of a workspace, of what ``shown``, the page's context, holds for whoever looks."""
    return [*_of_workspace(workspace), *_of_credits(shown), *_of_payments(shown)]


def _of_workspace(workspace: Workspace) -> Iterator[Flag]:
    if workspace.closed_at:
        yield Flag("Being closed", "workspace")
    if workspace.suspended_at:
        yield Flag(f"Suspended since {date_format(workspace.suspended_at, 'j M Y')}", "workspace")
    visitor = getattr(workspace, "visitor", None)
    if visitor is not None and bans.live().filter(visitor=visitor).exists():
        yield Flag("Banned", "workspace")


def _of_credits(shown: Mapping[str, Any]) -> Iterator[Flag]:
    balance = shown.get("balance")
    if balance is not None and balance.debt:
        yield Flag(f"Owes {balance.debt:,} credits", "credits")
    if waiting := shown.get("proposals"):
        yield Flag(
            "A proposal waits" if len(waiting) == 1 else f"{len(waiting)} proposals wait", "credits", is_bad=False
        )


def _of_payments(shown: Mapping[str, Any]) -> Iterator[Flag]:
    subscription = shown.get("subscription")
    if subscription is not None and subscription.is_late:
        yield Flag("Its last payment failed", "plan")
    elif subscription is not None and subscription.ends_at and subscription.ends_at > timezone.now():
        yield Flag(f"Its plan ends on {date_format(subscription.ends_at, 'j M Y')}", "plan", is_bad=False)
    if any(payment.dispute_status for payment, *_ in shown.get("payments", ())):
        yield Flag("Disputed a payment", "plan")
