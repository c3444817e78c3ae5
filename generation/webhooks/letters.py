"""The mail about an endpoint that was disabled: to whom it goes and what it says."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from accounts import members
from accounts.models import Membership
from accounts.roles import ALLOWED, Action
from generation.webhooks.models import Endpoint
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage

ENDPOINT_DISABLED = "generation.webhooks.letters.endpoint_disabled_content"


def write_endpoint_disabled(endpoint: Endpoint, *, occasion: str) -> None:
    """Write to everybody who may see to it. Call it in the transaction that disabled the endpoint."""
    keepers = Membership.objects.filter(
        workspace=endpoint.workspace_id, role__in=ALLOWED[Action.MANAGE_WEBHOOKS], user__is_active=True
    )
    messages = [
        MailMessage(workspace_id=endpoint.workspace_id, user_id=user, content=ENDPOINT_DISABLED, about=endpoint.id)
        for user in keepers.values_list("user", flat=True)
    ]
    mail.write(messages, occasion=occasion)


def endpoint_disabled_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once the endpoint is enabled again or deleted, or the reader has left."""
    disabled = Endpoint.objects.filter(id=message.about, disabled_at__isnull=False)
    endpoint = disabled.select_related("workspace").first()
    if endpoint is None or not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id):
        return None
    url = settings.SITE_URL + reverse("webhooks:endpoint", args=[endpoint.id])
    return Content("webhooks/mail/endpoint_disabled.txt", {"endpoint": endpoint, "url": url})


MAIL: Contents = {
    ENDPOINT_DISABLED: endpoint_disabled_content,
    "endpoint_disabled": endpoint_disabled_content,  # the last release's
}
