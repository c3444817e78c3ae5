"""Mail on one machine: files in a folder, and a page that shows them to whoever sits at the machine."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest

from accounts import networks

FILES = "django.core.mail.backends.filebased.EmailBackend"
_BETWEEN = b"-" * 79 + b"\n"
_NEWEST_FILES = 20


@dataclass(frozen=True, slots=True)
class ShownMessage:
    sent_at: datetime
    to: str
    subject: str
    body: str


def is_shown_to(request: HttpRequest) -> bool:
    """Whether mail is files, the site is this machine's own, and the caller sits at it. Mail holds sign-in codes."""
    return settings.EMAIL_BACKEND == FILES and settings.IS_ONE_MACHINE and networks.is_loopback(request)


def messages() -> list[ShownMessage]:
    """The newest messages, newest first."""
    folder = Path(settings.MAIL_DIR)
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True) if folder.is_dir() else []
    found = [message for path in files[:_NEWEST_FILES] for message in _messages_in(path.read_bytes())]
    return sorted(found, key=lambda message: message.sent_at, reverse=True)


def _messages_in(written: bytes) -> list[ShownMessage]:
    found = []
    for part in written.split(_BETWEEN):
        if part.strip():
            message = email.message_from_bytes(part.lstrip(b"\n"), policy=email.policy.default)
            body = message.get_body(("plain",))
            found.append(
                ShownMessage(
                    sent_at=parsedate_to_datetime(message["Date"]),
                    to=message["To"],
                    subject=message["Subject"],
                    body=body.get_content() if body is not None else "",
                )
            )
    return found
