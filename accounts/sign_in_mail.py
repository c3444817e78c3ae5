"""Mail about signing in: codes, and what somebody is told of their account. It goes through the outbox as all does.

Its words are found while somebody asks for it, and hold codes that open an account, so they wait sealed and are dropped
with the first sending. It belongs to no workspace: no request reads it, not even its reader's own.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Final
from uuid import uuid4

from accounts.models import User
from loremotion import encryption
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage
from loremotion.row_security import across_workspaces

logger = logging.getLogger(__name__)

PURPOSE: Final = "accounts.sign_in_mail"
CODE_LASTS: Final = timedelta(minutes=15)
"""As long as ``settings`` let a code be typed in: later it opens nothing, and is not sent."""
NOBODY: Final = "nobody@invalid"
SEALED: Final = "accounts.sign_in_mail.sealed_content"
NOTHING: Final = "accounts.sign_in_mail.no_content"


def write(*, user: User | None, address: str, subject: str, text: str, holds_code: bool = False) -> None:
    """Queue mail of these words to ``address``. The row names ``user`` where it is their address."""
    is_own = user is not None and user.email.lower() == address.lower()
    message = MailMessage(content=SEALED, **({"user": user} if is_own else {"address": address}))
    _write(message, subject=subject, text=text, tried_for=CODE_LASTS if holds_code else mail.TRIED_FOR)


def write_to_nobody(*, subject: str, text: str) -> None:
    """Do the work of ``write`` without sending anything, so that asking for a code takes as long without an account."""
    _write(MailMessage(content=NOTHING, address=NOBODY), subject=subject, text=text, tried_for=CODE_LASTS)


@across_workspaces("mail about signing in is of no workspace, and who asks for it may be in none")
def _write(message: MailMessage, *, subject: str, text: str, tried_for: timedelta) -> None:
    message.about = uuid4()
    message.sealed = encryption.seal(json.dumps([subject, text]), purpose=PURPOSE)
    mail.write([message], occasion=str(message.about), tried_for=tried_for)


def sealed_content(message: MailMessage) -> Content | None:
    """The words that were sealed; None where they are dropped, or no key of the site's opens them any more."""
    if not message.sealed:
        return None
    try:
        subject, text = json.loads(encryption.unseal(message.sealed, purpose=PURPOSE))
    except encryption.Unreadable:
        logger.error("%s was sealed under another SECRET_KEY: see SECRET_KEY_FALLBACKS.", message)
        return None
    return Content("accounts/mail/as_written.txt", {"subject": subject, "text": text})


def no_content(message: MailMessage) -> None:
    """None: there is nothing to send."""


MAIL: Contents = {SEALED: sealed_content, NOTHING: no_content}
