"""What the beat does for the shop: enqueues whatever is due, writes mail. Never asks Stripe itself, never blocks."""

from __future__ import annotations

import logging
from datetime import timedelta

import redis
from django.core.cache import cache
from django.utils import timezone

from billing import allowance, free_gpu_budget
from billing.shop import gateway, inbox, locks, notices, reconcile, subscribing
from billing.shop.models import Order, Payment, StripeEvent
from loremotion import queues
from loremotion.outbox import sending

logger = logging.getLogger(__name__)

EVENTS_EVERY_SECONDS = 5 * 60
BOOKS_EVERY_SECONDS = 24 * 3600
LOW_BALANCES_EVERY_SECONDS = 60
LIABILITY_EVERY_SECONDS = 10 * 60
BATCH = 50
STALE_ORDER = timedelta(hours=25)
"""An open pay page has expired by now, at the latest."""


def sweep() -> None:
    """One round. Idempotent and cheap; to be called by the beat every few seconds.

    Raises:
        redis.RedisError: Valkey is away. Nothing is lost.
    """
    sending.enqueue_due(StripeEvent)
    if cache.add("shop:low-balances", True, timeout=LOW_BALANCES_EVERY_SECONDS):
        notices.write_low_balances()
    if gateway.is_on():
        _once_in(EVENTS_EVERY_SECONDS, "read_events")
        _once_in(BOOKS_EVERY_SECONDS, "compare_books")
    if gateway.is_on() or Payment.objects.exists():
        _once_in(LIABILITY_EVERY_SECONDS, "count_liability")
    if cache.add("shop:old-events", True, timeout=3_600):
        inbox.forget_old()
        locks.forget_lapsed()
        reconcile.forget_old()
        allowance.forget_networks(timezone.now())
        free_gpu_budget.forget_old(timezone.now())
    if gateway.is_on() and cache.add("shop:stale-orders", True, timeout=600):
        _look_after_stale_orders()
        for workspace in subscribing.left_behind():
            _enqueue("end_subscriptions", str(workspace))


def _once_in(seconds: int, job: str) -> None:
    key = f"shop:{job}"
    if cache.add(key, True, timeout=seconds):
        try:
            _enqueue(job)
        except redis.RedisError:
            cache.delete(key)
            raise


def _look_after_stale_orders() -> None:
    """Some of the orders whose pay page has expired without anybody telling us. Chance chooses: one that Stripe knows
    nothing of stays stale for ever, and must not stand before the others."""
    stale = Order.objects.filter(state=Order.State.OPEN, created_at__lt=timezone.now() - STALE_ORDER)
    stale.filter(stripe_session_id=None).update(state=Order.State.CLOSED, closed_at=timezone.now())
    for order_id in stale.exclude(stripe_session_id=None).order_by("?").values_list("id", flat=True)[:BATCH]:
        _enqueue("look_after_order", str(order_id))


def _enqueue(job: str, *arguments: object) -> None:
    queues.queue(inbox.QUEUE).enqueue(f"billing.shop.jobs.{job}", *arguments)
