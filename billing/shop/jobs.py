"""What workers do off the queue ``stripe``: dotted names, JSON arguments, each safe to run twice."""

from __future__ import annotations

from uuid import UUID

from billing.shop import convergence, inbox, liability, reconcile, revenue, subscribing
from loremotion import log_ids
from loremotion.queues import Table


def work_on_event(event_id: str) -> None:
    inbox.work_on(event_id)


def read_events() -> None:
    reconcile.read_events()


def compare_books() -> None:
    reconcile.compare_books()


def count_liability() -> None:
    liability.count()
    revenue.sum_up_days()


def end_subscriptions(workspace: str) -> None:
    with log_ids.bound(subject=f"workspace:{workspace}"):
        subscribing.end_all(UUID(workspace))


def look_after_order(order_id: str) -> None:
    convergence.converge_order(UUID(order_id))


JOBS: Table = {
    "billing.shop.jobs.work_on_event": work_on_event,
    "billing.shop.jobs.read_events": read_events,
    "billing.shop.jobs.compare_books": compare_books,
    "billing.shop.jobs.count_liability": count_liability,
    "billing.shop.jobs.end_subscriptions": end_subscriptions,
    "billing.shop.jobs.look_after_order": look_after_order,
}
"""All that the ``stripe`` queue may name."""
