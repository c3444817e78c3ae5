"""What whoever pays has to be told by mail: each thing once, written in the transaction that notes that it is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts.models import Membership, Workspace
from accounts.roles import ALLOWED, Action, Role
from billing.shop import budgets
from billing.shop.budgets import Period
from billing.shop.models import Budget, Subscription
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage
from loremotion.sweeping import each

PAYMENT_FAILED = "billing.shop.notices.payment_failed_content"
LOW_BALANCE = "billing.shop.notices.low_balance_content"
CAP_USED = "billing.shop.notices.cap_used_content"
BATCH = 100


def write_payment_failed(subscription: Subscription) -> None:
    """Tell those who pay of a declined payment, once for each try of the bank. Call it in the transaction that noted
    the try."""
    untold = Subscription.objects.filter(
        id=subscription.id, status="past_due", dunned_attempts__lt=subscription.failed_attempts
    )
    if untold.update(dunned_attempts=subscription.failed_attempts):
        period_end = int(subscription.period_end.timestamp())
        occasion = f"{subscription.id}:{period_end}:{subscription.failed_attempts}"
        _write(PAYMENT_FAILED, workspace=subscription.workspace, occasion=occasion)


def write_low_balances() -> None:
    """Tell some of those whose credits run low, each in one transaction with the note that they are told.

    For the beat: credits go down in many ways, by themselves too when they lapse, and no one moment is the ledger's to
    tell of. Chance chooses which come first, so that nobody who cannot be told keeps the others waiting.
    """
    each(budgets.running_low(limit=BATCH), _write_low_balance)


@transaction.atomic
def _write_low_balance(budget_id: int) -> None:
    """Write the warning, once until there are enough credits again."""
    budget = budgets.claim_warning(budget_id)
    if budget is not None and budget.warned_at is not None:
        occasion = f"{budget.id}:{budget.warned_at.timestamp():.6f}"
        _write(LOW_BALANCE, workspace=budget.workspace, occasion=occasion, address=budget.warn_address)


def write_cap_used(workspace: UUID, *, cap: int, percent: int, period: Period = Period.MONTH) -> str:
    """Tell those who pay, or whom they named for alerts, that the workspace has used so much of a cap: once a period
    for each share of each cap. Call it in the transaction that spent it. Returns the name of the occasion.
    """
    budget = Budget.objects.filter(workspace=workspace).first()
    address = budget.warn_address if budget is not None else ""
    began = f"{period.began:%Y-%m-%d}" if period == Period.DAY else f"{period.began:%Y-%m}"
    occasion = f"{percent}:{cap}:{began}:{workspace.hex}"
    _write(CAP_USED, workspace=workspace, occasion=occasion, address=address)
    return occasion


def _write(content: str, *, workspace: UUID, occasion: str, address: str = "") -> None:
    """Write mail to ``address``, or without one to everybody who pays there."""
    if not Workspace.objects.filter(id=workspace).exists():  # erased, and its books are still there
        return
    what: dict[str, Any] = {"workspace_id": workspace, "content": content, "about": workspace}
    if address:
        messages = [MailMessage(**what, address=address, language=_owners_language(workspace))]
    else:
        messages = [MailMessage(**what, user_id=user) for user in payers(workspace)]
    mail.write(messages, occasion=occasion)


def _owners_language(workspace: UUID) -> str:
    """The language in which an address is written to that is nobody's: the same one, whoever spends the credits."""
    owners = Membership.objects.filter(workspace=workspace, role=Role.OWNER)
    return owners.values_list("user__language", flat=True).first() or settings.LANGUAGE_CODE


def payers(workspace: UUID) -> list[int]:
    """Users who may pay there."""
    memberships = Membership.objects.filter(workspace=workspace, role__in=ALLOWED[Action.PAY], user__is_active=True)
    return list(memberships.order_by("user").values_list("user", flat=True))


def payment_failed_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once it is paid, or its reader does not pay any more."""
    late = Subscription.objects.of(message.tenant_id).filter(status="past_due").first()
    return _content("billing/mail/payment_failed.txt", message, subscription=late)


def low_balance_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once there are enough credits, or its reader does not pay any more."""
    budget = Budget.objects.filter(workspace=message.tenant_id).exclude(warned_at=None).first()
    return _content("billing/mail/low_balance.txt", message, budget=budget)


def cap_used_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once its reader does not pay any more."""
    percent, cap, began, _ = message.occasion.split(":")
    workspace = Workspace.objects.filter(id=message.tenant_id).first()
    period = Period.DAY if began.count("-") == 2 else Period.MONTH
    said = {"percent": int(percent), "cap": int(cap), "workspace": workspace, "period": period}
    return _content("billing/mail/cap_used.txt", message, **said)


def _content(template: str, message: MailMessage, **cause: object) -> Content | None:
    if None in cause.values() or (message.user_id is not None and message.user_id not in payers(message.tenant_id)):
        return None
    return Content(template, {"credits_url": settings.SITE_URL + reverse("shop:credits"), **cause})


MAIL: Contents = {
    PAYMENT_FAILED: payment_failed_content,
    LOW_BALANCE: low_balance_content,
    CAP_USED: cap_used_content,
    "payment_failed": payment_failed_content,  # the last release's, as is the next
    "low_balance": low_balance_content,
}
