"""Mail to members: written with what it is about, put into words when it is sent.

Sent at least once; only a crash in the moment between the mail server's answer and our note of it sends it twice, and
then under the same Message-ID.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import invitations
from accounts.models import Membership
from accounts.roles import ALLOWED, Action
from billing.shop import notices
from generation.models import Generation
from generation.models import State as Ended
from generation.outbox import carrying
from generation.outbox.models import Endpoint, Letter, State

logger = logging.getLogger(__name__)

TRIED_FOR = timedelta(days=2)


def write_endpoint_disabled(endpoint: Endpoint, *, occasion: str) -> None:
    """To everybody who may see to it. Call it in the transaction that disabled the endpoint."""
    keepers = Membership.objects.filter(
        workspace=endpoint.workspace_id, role__in=ALLOWED[Action.MANAGE_WEBHOOKS], user__is_active=True
    )
    write(
        [
            Letter(workspace_id=endpoint.workspace_id, user_id=user, kind="endpoint_disabled", about=endpoint.id)
            for user in keepers.values_list("user", flat=True)
        ],
        occasion=occasion,
    )


def write(letters: list[Letter], *, occasion: str) -> None:
    """Have them sent once the transaction is certain. One that was written before on this occasion stays as it is.

    Args:
        letters: of one occasion; no two of one kind to the same reader.
    """
    for letter in letters:
        letter.occasion = occasion
        letter.expires_at = timezone.now() + TRIED_FOR
    once = ["user", "address", "kind", "occasion"]
    # Not ignore_conflicts, which does not tell the ids; so one that is there is "updated" to what it says already.
    written = Letter.objects.bulk_create(letters, update_conflicts=True, update_fields=["kind"], unique_fields=once)
    rows = [(letter.pk, 0) for letter in written]
    transaction.on_commit(lambda: carrying.ring(Letter, rows), robust=True)


def mail(letter_id: int) -> bool:
    """Send one letter that is due. Returns whether the mail server has taken it."""
    letter = carrying.claim(Letter, letter_id)
    if letter is None:
        return False
    try:
        context = CONTEXT_OF[letter.kind](letter)
        if context is None or not _is_member(letter):
            carrying.end(letter, State.DEAD, last_error="There is nothing to say any more.")
            return False
        _message(letter, context).send()
    except SMTPRecipientsRefused as error:
        return _note_refusal(letter, error)
    except Exception as error:  # whatever went wrong: a letter must not be lost to a bug either
        logger.exception("%s was not sent", letter)
        carrying.put_off(letter, error=f"{type(error).__name__}: {error}")
        return False
    carrying.end(letter, State.SENT, last_error="")
    return True


def _note_refusal(letter: Letter, error: SMTPRecipientsRefused) -> bool:
    """There is no such mailbox, or it is full: the first is said for good (5xx), the second for now (4xx)."""
    refusals = [(code, _as_text(answer)) for code, answer in error.recipients.values()]
    said = "; ".join(f"{code} {answer}" for code, answer in refusals)
    if refusals and all(500 <= code < 600 for code, _ in refusals):
        logger.warning("%s will not be sent: %s", letter, said)
        carrying.give_up(letter, error=f"The mail server refuses the address for good: {said}")
    else:
        carrying.put_off(letter, error=f"The mail server refuses the address for now: {said}")
    return False


def _as_text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _message(letter: Letter, context: dict[str, Any]) -> EmailMessage:
    """``templates/outbox/mail/<kind>.txt``, whose first line is the subject."""
    words = render_to_string(f"outbox/mail/{letter.kind}.txt", {"site_url": settings.SITE_URL, **context})
    subject, _, text = words.partition("\n")
    host = urlsplit(settings.SITE_URL).hostname
    message_id = f"<{letter.kind}.{letter.pk}.{int(letter.created_at.timestamp())}@{host}>"
    return EmailMessage(
        " ".join(subject.split()), text.strip() + "\n", None, [letter.recipient], headers={"Message-ID": message_id}
    )


def _is_member(letter: Letter) -> bool:
    """Whether it goes to somebody of the workspace, or to an address that the workspace named."""
    if letter.user_id is None:
        return True
    place = Membership.objects.filter(workspace=letter.workspace_id, user=letter.user_id, user__is_active=True)
    return place.exists()


def _endpoint_disabled(letter: Letter) -> dict[str, Any] | None:
    endpoint = Endpoint.objects.filter(id=letter.about, disabled_at__isnull=False).select_related("workspace").first()
    if endpoint is None:  # enabled again, or deleted
        return None
    return {"endpoint": endpoint, "url": settings.SITE_URL + reverse("outbox:endpoint", args=[endpoint.id])}


def _clip_ended(letter: Letter) -> dict[str, Any] | None:
    is_proved = EmailAddress.objects.filter(user=letter.user_id, email__iexact=letter.recipient, verified=True)
    generation = Generation.objects.filter(id=letter.about, workspace=letter.workspace_id).first()
    if generation is None or not is_proved.exists():  # erased, or the address has changed
        return None
    url = settings.SITE_URL + reverse("generation:detail", args=[generation.id])
    return {"generation": generation, "is_ready": generation.state == Ended.SUCCEEDED, "url": url}


def _invitation(letter: Letter) -> dict[str, Any] | None:
    offer = invitations.open_offer(workspace_id=letter.workspace_id, email=letter.address)
    if offer is None or invitations.occasion_of(offer) != letter.occasion:  # taken back, accepted, or sent anew
        return None
    link = invitations.link_of(offer)
    return None if link is None else {"invitation": offer, "link": link, "lasts_days": invitations.LASTS.days}


def _about_money(letter: Letter) -> dict[str, Any] | None:
    said = notices.words(letter.kind, letter.workspace_id)
    if said is None or (letter.user_id is not None and letter.user_id not in notices.payers(letter.workspace_id)):
        return None  # it is not so any more, or its reader does not pay any more
    return {"credits_url": settings.SITE_URL + reverse("shop:credits"), **said}


CONTEXT_OF: dict[str, Callable[[Letter], dict[str, Any] | None]] = {
    "endpoint_disabled": _endpoint_disabled,
    "clip_ended": _clip_ended,
    "invitation": _invitation,
    "payment_failed": _about_money,
    "low_balance": _about_money,
}
"""What each kind of letter is put into words with; None where it has nothing to say any more."""
