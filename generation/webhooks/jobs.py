"""What workers do off the queue ``webhooks``: dotted names, JSON arguments, each safe to run twice."""

from __future__ import annotations

from generation.webhooks import deliveries
from loremotion.queues import Table


def deliver(delivery_id: int) -> None:
    deliveries.deliver(delivery_id)


JOBS: Table = {
    "generation.webhooks.jobs.deliver": deliver,
    "generation.outbox.jobs.deliver": deliver,  # the last release's: goes with generation/outbox
}
"""All that the ``webhooks`` queue may name."""
