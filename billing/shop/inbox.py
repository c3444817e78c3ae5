"""Stripe's webhooks: verified and stored at once, worked off by the clerk, kept until they succeed or somebody looks.

An event that is stored is never lost: the beat hands over again what a crash or an empty queue forgot.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import redis
import stripe
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing.shop import convergence, lookups
from billing.shop.models import StripeEvent
from loremotion import queues
from loremotion.refusals import Invalid

logger = logging.getLogger(__name__)

QUEUE = "stripe"
LEASE = timedelta(minutes=2)
"""Whoever works on an event has so long before another may try."""
MAX_ATTEMPTS = 16
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=6)
KEPT = timedelta(days=60)
BATCH = 100

TYPES = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
"""What we listen to; the webhook endpoint at Stripe is set up with the same list."""


class ClerkDied(Exception):
    """Whoever worked on an event never said how it went."""

    def __init__(self) -> None:
        super().__init__("The clerk died over it every time. Look into its log before you replay it.")


class BadSignature(Invalid):
    """Whoever sent this is not Stripe, or the endpoint's secret is not the one that we have."""

    status = 400

    def __init__(self) -> None:
        super().__init__(
            "bad_signature",
            "The signature is not Stripe's.",
            next_step="STRIPE_WEBHOOK_SECRETS must hold the endpoint's signing secret.",
        )


# --- hearing -----------------------------------------------------------------------------------------------------


def receive(body: bytes, signature: str) -> bool:
    """Store what a webhook brought and have it worked on. Returns whether it was new and concerns us.

    Takes snapshot events and thin notifications alike; of both only the id, the type and the object's id are used.

    Raises:
        BadSignature: none of the secrets has signed exactly these bytes in the last minutes.
    """
    _verify(body, signature)
    event_id, kind, object_id = _read(json.loads(body))
    return store(event_id, kind, object_id, body=body.decode(), heard_from="webhook")


def store(event_id: str, kind: str, object_id: str, *, body: str = "", heard_from: str) -> bool:
    """Put an event into the inbox unless it is there. Returns whether it was new and concerns us."""
    if kind not in TYPES or not object_id:
        return False
    event = StripeEvent(event_id=event_id, type=kind, object_id=object_id, body=body, heard_from=heard_from)
    with transaction.atomic():
        known = StripeEvent.objects.filter(event_id=event_id).exists()
        if not known:
            StripeEvent.objects.bulk_create([event], ignore_conflicts=True)
            transaction.on_commit(lambda: ring(event_id))
    return not known


def _verify(body: bytes, signature: str) -> None:
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            continue
        return
    raise BadSignature


def _read(event: dict[str, Any]) -> tuple[str, str, str]:
    """Id, type and the object's id, of a snapshot or of a thin notification."""
    if event.get("object") == "v2.core.event":
        return event["id"], event["type"].removeprefix("v1."), (event.get("related_object") or {}).get("id", "")
    return event["id"], event["type"], event["data"]["object"].get("id", "")


def ring(event_id: str) -> None:
    """Tell the clerk. If Valkey is away the beat will."""
    try:
        queues.queue(QUEUE).enqueue("billing.shop.jobs.work_on_event", event_id)
    except redis.RedisError as error:
        logger.warning("Event %s waits for Valkey: %s", event_id, error)


# --- working it off ----------------------------------------------------------------------------------------------


def work_on(event_id: str) -> bool:
    """Do what an event hints at, if it is due and nobody else is at it. Returns whether it is done.

    A failure is written down and tried again later, less and less often; at last the event is dead, and staff replays
    it from the admin once the cause is mended.
    """
    now = timezone.now()
    claimed = StripeEvent.objects.filter(event_id=event_id, state=StripeEvent.State.NEW, due_at__lte=now)
    # Counted before it is tried: one that takes the clerk down with it must come to an end too.
    if not claimed.update(due_at=now + LEASE, attempts=F("attempts") + 1):
        return False
    event = StripeEvent.objects.get(event_id=event_id)
    if event.attempts > MAX_ATTEMPTS:
        _put_off(event, ClerkDied())
        return False
    try:
        follow(event.type, event.object_id)
    except Exception as error:
        _put_off(event, error)
        return False
    StripeEvent.objects.filter(id=event.id).update(state=StripeEvent.State.DONE, done_at=timezone.now(), last_error="")
    return True


def _put_off(event: StripeEvent, error: Exception) -> None:
    """Later, or never by itself again. Whatever went wrong: an event must not be lost to a bug either."""
    is_dead = event.attempts >= MAX_ATTEMPTS
    level, end = (logging.CRITICAL, " for good") if is_dead else (logging.ERROR, "")
    logger.log(level, "Event %s failed%s", event, end, exc_info=error)
    StripeEvent.objects.filter(id=event.id).update(
        state=StripeEvent.State.DEAD if is_dead else StripeEvent.State.NEW,
        due_at=timezone.now() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (event.attempts - 1)),
        last_error=f"{type(error).__name__}: {error}"[:2_000],
    )


def follow(kind: str, object_id: str) -> None:
    """Look at the object that an event is about, and bring everything that hangs on it to where it must be."""
    if kind.startswith("checkout.session."):
        convergence.converge_session(object_id)
    elif kind.startswith("invoice."):
        convergence.converge_invoice(object_id)
    elif kind.startswith("customer.subscription."):
        convergence.converge_subscription(object_id)
    else:
        payment_intent_id = lookups.payment_intent_of(object_id)
        if payment_intent_id is not None:
            convergence.converge_payment_intent(payment_intent_id)


def replay(event: StripeEvent) -> None:
    """Have an event done again from the start, dead or done."""
    StripeEvent.objects.filter(id=event.id).update(
        state=StripeEvent.State.NEW, attempts=0, due_at=timezone.now(), last_error=""
    )
    transaction.on_commit(lambda: ring(event.event_id))


def forget_old() -> None:
    """Delete what was done so long ago that Stripe cannot send it again. Bodies name people, and need not be kept."""
    old = StripeEvent.objects.filter(state=StripeEvent.State.DONE, done_at__lt=timezone.now() - KEPT)
    StripeEvent.objects.filter(id__in=old.order_by("id").values_list("id", flat=True)[:1_000]).delete()


def ring_for_what_is_due() -> int:
    """Tell the clerk of every event that waits although it is due. Returns how many."""
    due = StripeEvent.objects.filter(state=StripeEvent.State.NEW, due_at__lte=timezone.now() - timedelta(seconds=2))
    waiting = list(due.order_by("due_at").values_list("event_id", flat=True)[:BATCH])
    for event_id in waiting:
        ring(event_id)
    return len(waiting)
