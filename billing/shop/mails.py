"""Letters about money, each sent once for what it is about."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Membership
from accounts.roles import ALLOWED, Action
from billing.shop.models import Subscription

BATCH = 100


def recipients(workspace: UUID) -> list[str]:
    """Everybody who may pay there."""
    payers = Membership.objects.filter(workspace=workspace, role__in=ALLOWED[Action.PAY], user__is_active=True)
    return list(payers.order_by("user__email").values_list("user__email", flat=True))


def send(template: str, *, to: list[str], **context: object) -> None:
    """Send ``billing/mail/<template>.txt``, whose first line is the subject."""
    if not to:
        return
    links = {"credits_url": settings.SITE_URL + reverse("shop:credits"), "site_url": settings.SITE_URL}
    subject, _, text = render_to_string(f"billing/mail/{template}.txt", {**links, **context}).partition("\n")
    send_mail(subject.strip(), text.strip() + "\n", None, to)


def subscriptions_to_dun() -> list[int]:
    """Some of those whose last declined payment nobody has been told of. Chance chooses, so that nobody whom no mail
    reaches keeps the others waiting."""
    late = Subscription.objects.filter(status="past_due", failed_attempts__gt=F("dunned_attempts"))
    return list(late.order_by("?").values_list("id", flat=True)[:BATCH])


def send_dunning(subscription_id: int) -> None:
    """Tell whoever pays that a payment failed: once for each try of the bank."""
    late = Subscription.objects.select_related("price__plan").get(id=subscription_id)
    claim = Subscription.objects.filter(id=late.id, status="past_due", dunned_attempts__lt=late.failed_attempts)
    if not claim.update(dunned_attempts=late.failed_attempts):
        return
    try:
        send("payment_failed", to=recipients(late.workspace), subscription=late)
    except OSError:
        Subscription.objects.filter(id=late.id).update(dunned_attempts=late.dunned_attempts)
        raise
