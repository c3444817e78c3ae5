"""What we read at Stripe. Each call asks anew; nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast

import stripe

from billing.shop.gateway import client, id_of


def session(session_id: str) -> stripe.checkout.Session:
    return client().v1.checkout.sessions.retrieve(session_id, {"expand": ["payment_intent.latest_charge", "invoice"]})


def subscription(subscription_id: str) -> stripe.Subscription:
    return client().v1.subscriptions.retrieve(subscription_id, {"expand": ["schedule"]})


def invoice(invoice_id: str) -> stripe.Invoice:
    return client().v1.invoices.retrieve(invoice_id, {"expand": ["payments"]})


def refunds_of(payment_intent_id: str) -> Iterator[stripe.Refund]:
    return client().v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100}).auto_paging_iter()


def disputes_of(payment_intent_id: str) -> Iterator[stripe.Dispute]:
    return client().v1.disputes.list({"payment_intent": payment_intent_id, "limit": 100}).auto_paging_iter()


def payment_intent(payment_intent_id: str) -> stripe.PaymentIntent:
    return client().v1.payment_intents.retrieve(payment_intent_id, {"expand": ["latest_charge"]})


def payment_intent_of(object_id: str) -> str | None:
    """The payment that a charge, refund or dispute is about."""
    api = client().v1
    if object_id.startswith(("re_", "pyr_")):
        return id_of(api.refunds.retrieve(object_id).payment_intent)
    if object_id.startswith(("dp_", "du_")):
        return id_of(api.disputes.retrieve(object_id).payment_intent)
    return id_of(api.charges.retrieve(object_id).payment_intent)


def invoice_paid_by(payment_intent_id: str) -> str | None:
    """The invoice that a payment was for, if it was for one."""
    paid = client().v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}, "limit": 1}
    )
    return id_of(paid.data[0].invoice) if paid.data else None


def events_since(moment: datetime, types: list[str]) -> Iterator[stripe.Event]:
    """What has happened since, newest first; Stripe remembers 30 days."""
    asked = {"created": {"gte": int(moment.timestamp())}, "types": types, "limit": 100}
    return client().v1.events.list(cast("stripe.params.EventListParams", asked)).auto_paging_iter()


def sessions_since(moment: datetime) -> Iterator[stripe.checkout.Session]:
    since = {"gte": int(moment.timestamp())}
    return client().v1.checkout.sessions.list({"created": {"gte": since["gte"]}, "limit": 100}).auto_paging_iter()


def invoices_since(moment: datetime) -> Iterator[stripe.Invoice]:
    since = int(moment.timestamp())
    asked: stripe.params.InvoiceListParams = {"created": {"gte": since}, "status": "paid", "limit": 100}
    return client().v1.invoices.list({**asked, "expand": ["data.payments"]}).auto_paging_iter()


def refunds_since(moment: datetime) -> Iterator[stripe.Refund]:
    return client().v1.refunds.list({"created": {"gte": int(moment.timestamp())}, "limit": 100}).auto_paging_iter()


def balance_since(moment: datetime) -> Iterator[stripe.BalanceTransaction]:
    """What came to the account and left it, with the charge, refund or dispute that each is for."""
    asked: stripe.params.BalanceTransactionListParams = {"created": {"gte": int(moment.timestamp())}, "limit": 100}
    return client().v1.balance_transactions.list({**asked, "expand": ["data.source"]}).auto_paging_iter()


def disputes_since(moment: datetime) -> Iterator[stripe.Dispute]:
    return client().v1.disputes.list({"created": {"gte": int(moment.timestamp())}, "limit": 100}).auto_paging_iter()
