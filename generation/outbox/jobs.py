"""What workers do off the queues ``deliveries`` and ``mail``: dotted names, JSON arguments, each safe to run twice."""

from __future__ import annotations

from generation.outbox import deliveries, letters
from loremotion.queues import Table


def deliver(delivery_id: int) -> None:
    deliveries.deliver(delivery_id)


def mail(letter_id: int) -> None:
    letters.mail(letter_id)


DELIVERY_JOBS: Table = {"generation.outbox.jobs.deliver": deliver}
"""All that the ``deliveries`` queue may name."""
MAIL_JOBS: Table = {"generation.outbox.jobs.mail": mail}
"""All that the ``mail`` queue may name."""
