"""Orders and payments go where their workspace goes: what ``accounts.workspace_data`` asks of this app.

Credits are the ledger's, and move with ``ledger.merge``. Here only the papers move: the account that an order fills
stays the one that it was ordered for, and what comes to it late is forwarded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from accounts.workspace_data import ExportedFile
from billing.shop import inbox
from billing.shop.models import Budget, Customer, Order, Payment, Subscription
from billing.shop.money import format_amount
from loremotion import queues
from loremotion.csv_lines import csv_line

LIMITS = ("daily_cap_credits", "monthly_cap_credits", "caps_by_item", "warn_below_credits", "warn_address")


def move(*, source: Workspace, into: Workspace) -> None:
    """Move orders, payments and subscriptions. The new workspace's own plan and limits stay."""
    for model in (Order, Payment, Subscription):
        model._default_manager.filter(workspace=source.id).update(workspace=into.id)
    for single in (Customer, Budget):
        if not single._default_manager.filter(workspace=into.id).exists():
            single._default_manager.filter(workspace=source.id).update(workspace=into.id)


def stop(workspace: Workspace) -> None:
    """Let plans end with what is paid for. Stripe is told after the commit."""
    if Subscription.objects.of(workspace.id).ongoing().exists():
        arguments = ("billing.shop.jobs.end_subscriptions", str(workspace.id))
        transaction.on_commit(lambda: _enqueue(*arguments), robust=True)  # the beat asks again


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield every payment with its receipt, plans and limits, for whoever may see payments."""
    if not reader.may(Action.READ_PAYMENTS):
        return
    lines = [csv_line([_("paid at"), _("what"), _("amount"), _("refunded"), _("credits"), _("receipt"), _("invoice")])]
    for payment in Payment.objects.filter(workspace=workspace.id).select_related("price__plan", "price__pack"):
        money = [format_amount(minor, payment.currency) for minor in (payment.amount_minor, payment.refunded_minor)]
        links = [payment.receipt_url, payment.invoice_url]
        lines.append(csv_line([payment.paid_at.isoformat(), str(payment.price.item), *money, payment.credits, *links]))
    yield ExportedFile("payments.csv", "".join(lines))
    plans = Subscription.objects.of(workspace.id).order_by("id")
    about = {
        "plans": [
            {"plan": each.plan.name, "status": each.status, "paid_until": each.period_end, "ends_at": each.ends_at}
            for each in plans
        ],
        "limits": list(Budget.objects.filter(workspace=workspace.id).values(*LIMITS)),
    }
    yield ExportedFile("plan.json", json.dumps(about, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    """Forget who ordered. Payments stay as long as the books do, and name nobody."""
    stop(workspace)
    Budget.objects.filter(workspace=workspace.id).delete()
    Order.objects.filter(workspace=workspace.id).update(actor="")


def _enqueue(job: str, *arguments: str) -> None:
    queues.queue(inbox.QUEUE).enqueue(job, *arguments)
