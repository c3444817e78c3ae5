"""The mail about a report: to whoever sent it, and to those whose clip it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from accounts import members
from accounts.models import Membership
from accounts.roles import ALLOWED, Action
from generation.models import Generation
from generation.notices.models import Notice
from generation.sharing import removals
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage

RECEIVED: Final = "generation.notices.letters.received_content"
DECIDED: Final = "generation.notices.letters.decided_content"
CONCERNED: Final = "generation.notices.letters.concerned_content"


def write_receipt(notice: Notice) -> None:
    """Write to whoever sent it that it arrived. Call it in the transaction that writes it down."""
    mail.write([MailMessage(address=notice.contact, content=RECEIVED, about=notice.id)], occasion=str(notice.id))


def write_decision(notice: Notice, *, others: Iterable[Notice] = ()) -> None:
    """Write the reasons to both sides; of a clip that stays as it is, only to whoever reported it.

    Args:
        others: reports of the same clip that were decided with it: whoever made it reads of one.
    """
    for other in others:
        if other.contact:
            told = _decision_for_reporter(other)
            mail.write([told], occasion=f"{other.id}:{other.state}")
    messages = []
    if notice.contact:
        messages.append(_decision_for_reporter(notice))
    if notice.workspace_id is not None and notice.state != Notice.State.KEPT:
        messages += [
            MailMessage(user_id=user, workspace_id=notice.workspace_id, content=CONCERNED, about=notice.id)
            for user in _concerned(notice)
        ]
    if messages:
        mail.write(messages, occasion=f"{notice.id}:{notice.state}")


def _decision_for_reporter(notice: Notice) -> MailMessage:
    """The mail to whoever reported it, in the language in which they did."""
    receipt = MailMessage.objects.filter(about=notice.id, content=RECEIVED).only("language").first()
    language = receipt.language if receipt is not None else settings.LANGUAGE_CODE
    return MailMessage(address=notice.contact, content=DECIDED, about=notice.id, language=language)


def _concerned(notice: Notice) -> list[int]:
    """Who made the clip, and who answers for the workspace."""
    clips = Generation.objects.filter(id=notice.clip_id) if notice.clip_id else Generation.objects.none()
    maker = clips.filter(made_by__isnull=False).values("made_by")
    places = Membership.objects.filter(workspace=notice.workspace_id, user__is_active=True)
    return list(
        places.filter(Q(role__in=ALLOWED[Action.READ_PRIVATE_CLIPS]) | Q(user__in=maker)).values_list("user", flat=True)
    )


def received_content(message: MailMessage) -> Content | None:
    """The words of the receipt."""
    return _to_reporter(message, "notices/mail/received.txt")


def decided_content(message: MailMessage) -> Content | None:
    """The words of the decision, for whoever reported it."""
    return _to_reporter(message, "notices/mail/decided.txt")


def _to_reporter(message: MailMessage, template: str) -> Content | None:
    notice = Notice.objects.filter(id=message.about).first()
    if notice is None or notice.contact != message.address:
        return None
    url = settings.SITE_URL + reverse("notices:report")
    return Content(template, {"notice": notice, "is_down": _is_down(notice), "url": url})


def _is_down(notice: Notice) -> bool:
    """Whether the clip is taken down, by this report or by another one of the same file."""
    return notice.state in Notice.DOWN or removals.is_removed(notice.sha256)


def concerned_content(message: MailMessage) -> Content | None:
    """The statement of reasons, for those whose clip it is; None for who has left."""
    notice = Notice.objects.filter(id=message.about, workspace=message.tenant_id).first()
    if notice is None or not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id):
        return None
    url = settings.SITE_URL + reverse("notices:listing")
    return Content("notices/mail/concerned.txt", {"notice": notice, "is_down": _is_down(notice), "url": url})


MAIL: Contents = {RECEIVED: received_content, DECIDED: decided_content, CONCERNED: concerned_content}
