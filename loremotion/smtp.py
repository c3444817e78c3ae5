"""Django's SMTP, which keeps no connection of the database while the mail server is spoken to."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

from loremotion import database


class EmailBackend(smtp.EmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        database.give_back()
        return super().send_messages(email_messages)
