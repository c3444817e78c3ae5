"""What workers do off the queue ``mail``: dotted names, JSON arguments, each safe to run twice."""

from __future__ import annotations

from loremotion.outbox import mail
from loremotion.queues import Table


def send_mail(message_id: int) -> None:
    mail.send(message_id)


JOBS: Table = {
    "loremotion.outbox.jobs.send_mail": send_mail,
    "generation.outbox.jobs.mail": send_mail,  # the last release's: goes with generation/outbox
}
"""All that the ``mail`` queue may name."""
