"""What staff should know of a customer before anything else: whatever is not as it is with most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import PermissionsMixin
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts import bans
from accounts.models import Workspace
from generation.staff import needs
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage, State

MOST_COUNTED: Final = 99
"""Of what could not be sent to one customer."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that is out of the ordinary, and the part of the page, or the page, that says more."""

    words: str
    address: str
    is_bad: bool = True
    """Whether something is wrong; else something waits."""


def flags_of(workspace: Workspace, shown: Mapping[str, Any], user: PermissionsMixin) -> list[Flag]:
    """Return the flags of a workspace, of what ``shown``, the page's context, holds for ``user``, who looks, and of
    what was sent to it, where they may look at that."""
    return [
        *_of_workspace(workspace),
        *_of_credits(shown),
        *_of_payments(shown),
        *_of_webhooks(workspace, user),
        *_of_mail(workspace, user),
    ]


def _of_workspace(workspace: Workspace) -> Iterator[Flag]:
    if workspace.closed_at:
        yield Flag("Being closed", "#workspace")
    if workspace.suspended_at:
        yield Flag(f"Suspended since {date_format(workspace.suspended_at, 'j M Y')}", "#workspace")
    visitor = getattr(workspace, "visitor", None)
    if visitor is not None and bans.live().filter(visitor=visitor).exists():
        yield Flag("Banned", "#workspace")


def _of_credits(shown: Mapping[str, Any]) -> Iterator[Flag]:
    balance = shown.get("balance")
    if balance is not None and balance.debt:
        yield Flag(f"Owes {balance.debt:,} credit{'' if balance.debt == 1 else 's'}", "#credits")
    if waiting := shown.get("proposals"):
        yield Flag(
            "A proposal waits" if len(waiting) == 1 else f"{len(waiting)} proposals wait", "#credits", is_bad=False
        )


def _of_payments(shown: Mapping[str, Any]) -> Iterator[Flag]:
    subscription = shown.get("subscription")
    if subscription is not None and subscription.is_late:
        yield Flag("Its last payment failed", "#plan")
    elif subscription is not None and subscription.ends_at and subscription.ends_at > timezone.now():
        yield Flag(f"Its plan ends on {date_format(subscription.ends_at, 'j M Y')}", "#plan", is_bad=False)
    if any(payment.dispute_status for payment, *_ in shown.get("payments", ())):
        yield Flag("Disputed a payment", "#plan")


def _of_webhooks(workspace: Workspace, user: PermissionsMixin) -> Iterator[Flag]:
    failing = Endpoint.objects.of(workspace).enabled().filter(failing_since__isnull=False)
    if user.has_perm("webhooks.view_endpoint") and (endpoint := failing.order_by("failing_since").first()) is not None:
        yield Flag(
            f"Its webhook endpoint {endpoint.name} fails", reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])
        )
    if not user.has_perm("webhooks.view_delivery"):
        return
    dead = Delivery.objects.filter(endpoint__workspace=workspace, state=State.DEAD, ended_at__gte=_lately())
    newest = dead.order_by("-created_at", "-id").values_list("endpoint")[:MOST_COUNTED]
    if found := list(newest):
        count = len(found)
        said = f"{count} webhook event{'' if count == 1 else 's'} could not be delivered"
        yield Flag(said, f"{reverse('admin:webhooks_delivery_changelist')}?state__exact=dead&q={found[0][0]}")


def _of_mail(workspace: Workspace, user: PermissionsMixin) -> Iterator[Flag]:
    if not user.has_perm("outbox.view_mailmessage"):
        return
    dead = MailMessage.objects.filter(workspace=workspace, state=State.DEAD, ended_at__gte=_lately())
    found = list(dead.exclude(last_error="").order_by("-created_at", "-id").values_list("id", flat=True)[:MOST_COUNTED])
    if found:
        said = "A mail could not be delivered" if len(found) == 1 else f"{len(found)} mails could not be delivered"
        yield Flag(said, reverse("admin:outbox_mailmessage_change", args=[found[0]]))


def _lately() -> datetime:
    """Since when what could not be sent is still told, as on the first page."""
    return timezone.now() - needs.LATELY
