"""What whoever pays has to be told: each thing once, claimed in the transaction that writes down that it is told.

Sends nothing: mail is the outbox's, which this app does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import F

from accounts.models import Membership
from accounts.roles import ALLOWED, Action
from billing.shop import budgets
from billing.shop.models import Budget, Subscription

BATCH = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. ``occasion`` makes it this one and no other; ``address`` is where to, if not to the payers."""

    kind: str
    workspace: UUID
    occasion: str
    address: str = ""


def due() -> Iterator[Callable[[], Notice | None]]:
    """Claims of some of what nobody has been told of; each answers None if somebody else was quicker.

    A claim is to be made in the transaction that writes down what is told. Chance chooses which come first, so that
    nobody who cannot be told keeps the others waiting.
    """
    late = Subscription.objects.filter(status="past_due", failed_attempts__gt=F("dunned_attempts"))
    for subscription_id in late.order_by("?").values_list("id", flat=True)[:BATCH]:
        yield partial(_claim_failed_payment, subscription_id)
    for budget_id in budgets.running_low(limit=BATCH):
        yield partial(_claim_low_balance, budget_id)


def words(kind: str, workspace: UUID) -> dict[str, Any] | None:
    """What a template needs to say it now; None if it is not so any more."""
    if kind == "payment_failed":
        late = Subscription.objects.of(workspace).filter(status="past_due").first()
        return None if late is None else {"subscription": late}
    budget = Budget.objects.filter(workspace=workspace).exclude(warned_at=None).first()
    return None if budget is None else {"budget": budget}


def payers(workspace: UUID) -> list[int]:
    """Users who may pay there."""
    memberships = Membership.objects.filter(workspace=workspace, role__in=ALLOWED[Action.PAY], user__is_active=True)
    return list(memberships.order_by("user").values_list("user", flat=True))


def _claim_failed_payment(subscription_id: int) -> Notice | None:
    """Once for each try of the bank."""
    late = Subscription.objects.get(id=subscription_id)
    claim = Subscription.objects.filter(id=late.id, status="past_due", dunned_attempts__lt=late.failed_attempts)
    if not claim.update(dunned_attempts=late.failed_attempts):
        return None
    occasion = f"{late.id}:{int(late.period_end.timestamp())}:{late.failed_attempts}"
    return Notice("payment_failed", late.workspace, occasion)


def _claim_low_balance(budget_id: int) -> Notice | None:
    """Once, until there are enough credits again."""
    budget = budgets.claim_warning(budget_id)
    if budget is None or budget.warned_at is None:
        return None
    occasion = f"{budget.id}:{budget.warned_at.timestamp():.6f}"
    return Notice("low_balance", budget.workspace, occasion, budget.warn_address)
