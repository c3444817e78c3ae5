"""Stripe's webhooks: verified and stored at once, worked off by the process ``stripe``, kept until they succeed or
somebody looks.

An event that is stored is never lost: ``loremotion.outbox.sending`` has it tried again, and the beat enqueues anew what
a crash or an empty queue forgot.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import timedelta
from typing import Any

import stripe
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.shop import convergence, lookups
from billing.shop.models import StripeEvent
from loremotion.outbox import sending
from loremotion.refusals import Invalid

logger = logging.getLogger(__name__)

QUEUE = StripeEvent.queue
EVENT_ID = r"[A-Za-z0-9_-]{1,200}"
KEPT = timedelta(days=60)
FORGOTTEN_AT_ONCE = 1_000

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
        KeyError, TypeError, AttributeError, ValueError: it is no event.
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
            transaction.on_commit(lambda: sending.enqueue(StripeEvent, [(event_id, 0)]))
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
    """Id, type and the object's id, of a snapshot or of a thin notification.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: it is neither.
    """
    if not re.fullmatch(EVENT_ID, event["id"]):
        raise ValueError("The event has no id of Stripe's.")
    if event.get("object") == "v2.core.event":
        return event["id"], event["type"].removeprefix("v1."), (event.get("related_object") or {}).get("id", "")
    return event["id"], event["type"], event["data"]["object"].get("id", "")


# --- working it off ----------------------------------------------------------------------------------------------


def work_on(event_id: str) -> bool:
    """Do what an event hints at, if it is due and nobody else is at it. Returns whether it is done.

    A failure is written down and tried again later, less and less often; at last the event is dead, and staff replays
    it from the admin once the cause is mended.
    """
    return sending.work_on(StripeEvent, event_id, _work_on)


def _work_on(event: StripeEvent) -> bool:
    try:
        follow(event.type, event.object_id)
    except Exception as error:  # whatever went wrong: an event must not be lost to a bug either
        logger.exception("Event %s failed", event)
        sending.put_off(event, error=f"{type(error).__name__}: {error}")
        return False
    sending.end(event, StripeEvent.State.DONE, last_error="")
    return True


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
        state=StripeEvent.State.NEW, attempts=0, due_at=timezone.now(), ended_at=None, last_error=""
    )
    transaction.on_commit(lambda: sending.enqueue(StripeEvent, [(event.event_id, 0)]))


def forget_old() -> None:
    """Delete what was done so long ago that Stripe cannot send it again. Bodies name people, and need not be kept."""
    old = StripeEvent.objects.filter(state=StripeEvent.State.DONE, ended_at__lt=timezone.now() - KEPT)
    StripeEvent.objects.filter(id__in=old.order_by("id").values_list("id", flat=True)[:FORGOTTEN_AT_ONCE]).delete()
