"""The mail when a clip has ended: who asked for it, and what it says. The transaction that ends the clip writes it."""

from __future__ import annotations

from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import members
from accounts.email_addresses import is_address
from accounts.models import User
from generation.models import Generation, NotificationRequest, State
from generation.settlement import error_words
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict

CLIP_ENDED = "generation.settlement.notifications.clip_ended_content"
TOLD = (State.SUCCEEDED, State.FAILED, State.BLOCKED)
"""Who cancels a clip knows that it has ended."""


def request(generation: Generation, *, user: User) -> None:
    """Note that ``user`` wants mail when the clip has ended. Twice is once.

    Raises:
        Conflict: it has ended already, or the user's address is not proved.
    """
    if not _has_proved(user.id, user.email):
        raise Conflict(
            "address_not_proved",
            _("Your email address isn't verified yet."),
            next_step=_("Verify it on your account page."),
        )
    with transaction.atomic():
        # Locked: whoever ends it waits, and then finds the request.
        present = Generation.objects.select_for_update(no_key=True).get(id=generation.id)
        if not present.is_open:
            raise Conflict(
                "already_ended", _("This clip has already finished."), next_step=_("You'll find it on its page.")
            )
        NotificationRequest.objects.get_or_create(generation=generation, user=user)


def withdraw(generation: Generation, *, user: User) -> None:
    """Take back ``user``'s request for mail."""
    NotificationRequest.objects.filter(generation=generation, user=user).delete()


def is_requested(generation: Generation, *, user: User) -> bool:
    return NotificationRequest.objects.filter(generation=generation, user=user).exists()


def write(generation_id: UUID, state: str) -> None:
    """Write to everybody who asked. Call it in the transaction that ended the generation."""
    requests = NotificationRequest.objects.filter(generation=generation_id)
    asked = list(requests.values_list("user", "generation__workspace"))
    if not asked:
        return
    requests.delete()
    if state in TOLD:
        messages = [
            MailMessage(user_id=user, workspace_id=workspace, content=CLIP_ENDED, about=generation_id)
            for user, workspace in asked
        ]
        mail.write(messages, occasion=str(generation_id))


def clip_ended_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once the clip is erased, or its reader has left or has another address."""
    generation = Generation.objects.filter(id=message.about, workspace=message.tenant_id).first()
    if (
        generation is None
        or not _has_proved(message.user_id, message.recipient)
        or not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id)
    ):
        return None
    url = settings.SITE_URL + reverse("generation:detail", args=[generation.id])
    told = {
        "generation": generation,
        "is_ready": generation.state == State.SUCCEEDED,
        "reason": error_words.in_readers_language(generation.error_message, generation.error_code),
        "url": url,
    }
    return Content("generation/mail/clip_ended.txt", told)


def _has_proved(user_id: int | None, address: str) -> bool:
    is_proved: bool = EmailAddress.objects.filter(is_address(address), user=user_id, verified=True).exists()
    return is_proved


MAIL: Contents = {
    CLIP_ENDED: clip_ended_content,
    "clip_ended": clip_ended_content,  # the last release's
}
