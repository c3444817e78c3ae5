"""What the cashier does off the queue ``stripe``: dotted names, JSON arguments, each safe to run twice."""

from __future__ import annotations

from uuid import UUID

from billing.shop import convergence, inbox, reconcile, subscribing


def work_on_event(event_id: str) -> None:
    inbox.work_on(event_id)


def read_events() -> None:
    reconcile.read_events()


def compare_books() -> None:
    reconcile.compare_books()


def end_subscriptions(workspace: str) -> None:
    subscribing.end_all(UUID(workspace))


def look_after_order(order_id: str) -> None:
    convergence.converge_order(UUID(order_id))
