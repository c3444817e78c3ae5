"""Mail to people: written with what it is about, put into words when it is sent.

What a mail says is the dotted name of a function that belongs to whoever writes it. The name is looked up in the tables
of ``settings.MAIL_CONTENTS`` and never imported, so that no row of the database can have anything else called.

Sent at least once; only a crash in the moment between the mail server's answer and our note of it sends it twice, and
then under the same Message-ID.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from loremotion.outbox import sending
from loremotion.outbox.models import MailMessage, State
from loremotion.refusals import Conflict

logger = logging.getLogger(__name__)

TRIED_FOR = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail says: a template whose first line is the subject, and what it is filled with."""

    template: str
    context: dict[str, Any]


Contents = Mapping[str, Callable[[MailMessage], Content | None]]
"""Dotted name → the function, which answers None where there is nothing to say any more. Names of the last release stay
in it for one more, since mail that bears them may wait."""


class UnknownContent(Exception):
    """A mail names a function that no table offers."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No mail says {name[:100]!r}: settings.MAIL_CONTENTS names the tables of those that do.")


def write(messages: list[MailMessage], *, occasion: str, tried_for: timedelta = TRIED_FOR) -> None:
    """Write mail, which is sent after the commit. What was written before on this occasion stays as it is.

    Args:
        messages: of one occasion; no two of one content to the same reader.
        tried_for: how long it is worth sending.
    """
    for message in messages:
        message.occasion = occasion
        message.expires_at = timezone.now() + tried_for
        if message.address and not message.language:  # of whoever has it written: the nearest that is known
            message.language = translation.get_language() or ""
    once = ["user", "address", "content", "occasion"]
    # Not ignore_conflicts, which does not tell the ids; so one that is there is "updated" to what it says already.
    written = MailMessage.objects.bulk_create(
        messages, update_conflicts=True, update_fields=["content"], unique_fields=once
    )
    rows = [(message.pk, 0) for message in written]
    transaction.on_commit(lambda: sending.enqueue(MailMessage, rows), robust=True)


def send(message_id: int) -> bool:
    """Send one mail that is due. Returns whether the mail server has taken it."""
    return sending.work_on(MailMessage, message_id, _send)


def _send(message: MailMessage) -> bool:
    try:
        with translation.override(message.readers_language or settings.LANGUAGE_CODE):
            content = content_of(message)
            mail = None if content is None else _in_words(message, content)
        if mail is None:
            sending.end(message, State.DEAD, last_error="There is nothing to say any more.")
            return False
        mail.send()
    except SMTPRecipientsRefused as error:
        return _note_refusal(message, error)
    except UnknownContent as error:
        logger.exception("%s will not be sent", message)
        sending.give_up(message, error=str(error))
        return False
    except Exception as error:  # whatever went wrong: a mail must not be lost to a bug either
        logger.exception("%s was not sent", message)
        sending.put_off(message, error=f"{type(error).__name__}: {error}")
        return False
    sending.end(message, State.SENT, last_error="")
    return True


def retry(message: MailMessage) -> None:
    """Have a mail that was given up sent after all, for as long as a new one.

    Raises:
        Conflict: it is not given up, or there is nothing to say any more: a code that it held is gone, or what it was
            about.
    """
    if content_of(message) is None:
        raise Conflict(
            "nothing_to_say",
            "It has nothing to say any more.",
            next_step="Whoever needs a code asks for a new one.",
        )
    now = timezone.now()
    dead = MailMessage.objects.filter(id=message.pk, state=State.DEAD)
    if not dead.update(
        state=State.WAITING, attempts=0, due_at=now, expires_at=now + TRIED_FOR, ended_at=None, last_error=""
    ):
        raise Conflict("not_given_up", "It is not given up.", next_step="Look at the list again.")
    transaction.on_commit(lambda: sending.enqueue(MailMessage, [(message.pk, 0)]), robust=True)


def content_of(message: MailMessage) -> Content | None:
    """The words of the mail as of now; None where there is nothing to say any more.

    Raises:
        UnknownContent: no table offers the function that it names.
    """
    for where in settings.MAIL_CONTENTS:
        contents: Contents = import_string(where)
        if message.content in contents:
            return contents[message.content](message)
    raise UnknownContent(message.content)


def subject_of(message: MailMessage) -> str:
    """The mail's subject as of now; empty where there is nothing to say any more, or what it says is sealed."""
    if message.sealed:
        return ""
    try:
        content = content_of(message)
        return str(_in_words(message, content).subject) if content is not None else ""
    except UnknownContent:
        return ""
    except Exception:  # it may be why the mail was not sent: staff reads of that, not an error page
        logger.warning("%s cannot be put into words", message, exc_info=True)
        return ""


def _note_refusal(message: MailMessage, error: SMTPRecipientsRefused) -> bool:
    """Note a refusal by the mail server: for good (5xx, no such mailbox) or for now (4xx, it is full)."""
    refusals = [(code, _as_text(answer)) for code, answer in error.recipients.values()]
    said = "; ".join(f"{code} {answer}" for code, answer in refusals)
    if refusals and all(500 <= code < 600 for code, _ in refusals):
        logger.warning("%s will not be sent: %s", message, said)
        why = f"The mail server refuses the address for good: {said}"
        sending.give_up(message, error=why, level=logging.WARNING)  # somebody mistyped it, as people do
    else:
        sending.put_off(message, error=f"The mail server refuses the address for now: {said}")
    return False


def _as_text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _in_words(message: MailMessage, content: Content) -> EmailMessage:
    words = render_to_string(content.template, {"site_url": settings.SITE_URL, **content.context})
    subject, _, text = words.partition("\n")
    host = urlsplit(settings.SITE_URL).hostname
    message_id = f"<mail.{message.pk}.{int(message.created_at.timestamp())}@{host}>"
    return EmailMessage(
        " ".join(subject.split()), text.strip() + "\n", None, [message.recipient], headers={"Message-ID": message_id}
    )
