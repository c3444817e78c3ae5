"""The mail about a key that its provider does not take any more: it goes to the workspace's owner."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from accounts import members
from accounts.models import Membership
from accounts.roles import Role
from generation.provider_keys.models import ProviderKey
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage

KEY_REFUSED = "generation.provider_keys.letters.key_refused_content"


def write_refused(key: ProviderKey, *, occasion: str) -> None:
    """Write to the owner. Call it in the transaction that marked the key."""
    owners = Membership.objects.filter(workspace=key.workspace_id, role=Role.OWNER, user__is_active=True)
    messages = [
        MailMessage(workspace_id=key.workspace_id, user_id=user, content=KEY_REFUSED, about=key.id)
        for user in owners.values_list("user", flat=True)
    ]
    mail.write(messages, occasion=occasion)


def key_refused_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once the key is taken again, replaced or removed, or the reader has left."""
    refused = ProviderKey.objects.in_use().filter(id=message.about, state=ProviderKey.State.REFUSED)
    key = refused.select_related("workspace").first()
    if key is None or not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id):
        return None
    url = settings.SITE_URL + reverse("provider_keys:listing")
    return Content("provider_keys/mail/key_refused.txt", {"key": key, "url": url})


MAIL: Contents = {KEY_REFUSED: key_refused_content}
