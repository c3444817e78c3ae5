"""What Stripe says, as plain values: the only place that knows how its objects are built."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

import stripe

from billing.shop import gateway, lookups
from billing.shop.gateway import id_of

REFUNDS_THAT_COUNT = frozenset({"succeeded", "pending", "requires_action"})
"""A refund that failed or was cancelled took nothing back."""
DISPUTES_THAT_COUNT = frozenset(
    {"needs_response", "under_review", "lost", "appeal_needs_response", "appeal_under_review"}
)
"""While a dispute is open its money is gone, and so are its credits; an appeal against a lost one brings none back yet.
A warning takes none; a won one gives it back."""


class Paying(StrEnum):
    """How far a session has come."""

    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Money:
    """One payment: what came, and what of it has gone back by now. All in the currency's smallest unit."""

    payment_intent_id: str | None
    amount_minor: int
    currency: str
    refunded_minor: int = 0
    disputed_minor: int = 0
    dispute_status: str = ""
    dispute_due_at: datetime | None = None
    """Until when Stripe takes our answer to the dispute, where it says so."""
    receipt_url: str = ""
    invoice_url: str = ""

    @property
    def taken_back_minor(self) -> int:
        """What we do not have any more: at most what came."""
        return min(self.amount_minor, self.refunded_minor + self.disputed_minor)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    order_id: UUID | None
    paying: Paying
    subscription_id: str | None
    payment_intent_id: str | None
    amount_minor: int
    currency: str
    invoice_url: str


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice for a period of a subscription: ``quantity`` is 1 unless it was made by hand at Stripe."""

    invoice_id: str
    subscription_id: str
    is_paid: bool
    failed_attempts: int
    price_id: str
    quantity: int
    period_start: datetime
    period_end: datetime
    payment_intent_id: str | None
    amount_minor: int
    currency: str
    paid_at: datetime
    invoice_url: str


@dataclass(frozen=True, slots=True)
class BalanceFacts:
    """One entry of the account's statement.

    ``amount_minor`` is in the payer's currency, and negative where it left us; fee and net are in ``kept_in``, the
    account's own. ``kind`` is ``charged``, ``refunded``, ``disputed``, or empty for payouts and the like.
    """

    entry_id: str
    kind: str
    at: datetime
    source_id: str
    payment_intent_id: str | None
    customer_id: str | None
    order_id: UUID | None
    amount_minor: int
    kept_in: str
    fee_minor: int
    net_minor: int
    adds_up: bool


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    subscription_id: str
    workspace: UUID | None
    customer_id: str
    price_id: str
    status: str
    period_start: datetime
    period_end: datetime
    ends_at: datetime | None
    next_price_id: str | None


def of_session(session: stripe.checkout.Session) -> SessionFacts:
    intent = session.payment_intent
    is_hopeless = isinstance(intent, stripe.PaymentIntent) and intent.status in ("requires_payment_method", "canceled")
    if session.status == "complete" and session.payment_status != "unpaid":
        paying = Paying.PAID
    elif session.status == "expired" or (session.status == "complete" and is_hopeless):
        paying = Paying.CLOSED
    else:
        paying = Paying.OPEN
    return SessionFacts(
        order_id=_uuid(session.client_reference_id),
        paying=paying,
        subscription_id=id_of(session.subscription),
        payment_intent_id=id_of(intent),
        amount_minor=session.amount_total or 0,
        currency=session.currency or "",
        invoice_url=(session.invoice.hosted_invoice_url or "") if isinstance(session.invoice, stripe.Invoice) else "",
    )


def order_named_in(intent: stripe.PaymentIntent) -> UUID | None:
    """The order that Checkout wrote into a payment, if it is one of Checkout's."""
    return _uuid(intent.metadata.to_dict().get("order"))


def money_of(payment_intent_id: str | None, *, amount_minor: int, currency: str, invoice_url: str = "") -> Money:
    """What became of a payment. Asks Stripe for the payment, its refunds and its disputes.

    Args:
        amount_minor, currency: what there was to pay, for a payment of nothing, which has no intent.
    """
    if payment_intent_id is None:
        return Money(None, amount_minor, currency, invoice_url=invoice_url)
    intent = lookups.payment_intent(payment_intent_id)
    refunds = [one for one in lookups.refunds_of(payment_intent_id) if one.status in REFUNDS_THAT_COUNT]
    disputes = list(lookups.disputes_of(payment_intent_id))
    charge = intent.latest_charge
    return Money(
        payment_intent_id=intent.id,
        amount_minor=intent.amount_received,
        currency=intent.currency,
        refunded_minor=sum(one.amount for one in refunds),
        disputed_minor=sum(one.amount for one in disputes if _took_money(one)),
        dispute_status=disputes[0].status if disputes else "",
        dispute_due_at=_due(disputes[0]) if disputes else None,
        receipt_url=(charge.receipt_url or "") if isinstance(charge, stripe.Charge) else "",
        invoice_url=invoice_url,
    )


def _due(dispute: stripe.Dispute) -> datetime | None:
    due = dispute.evidence_details.due_by
    return datetime.fromtimestamp(due, UTC) if due else None


def _took_money(dispute: stripe.Dispute) -> bool:
    if dispute.status == "prevented":  # settled between the banks, by money of ours or without
        return sum(one.amount for one in dispute.balance_transactions) < 0
    return dispute.status in DISPUTES_THAT_COUNT


def of_invoice(invoice: stripe.Invoice) -> InvoiceFacts | None:
    """None for an invoice that is not for a period of a plan: of a pack, of a trial, or made by hand."""
    parent = invoice.parent
    subscription = parent.subscription_details.subscription if parent and parent.subscription_details else None
    line = next((line for line in invoice.lines.data if _is_period(line)), None)
    if subscription is None or line is None or invoice.id is None:
        return None
    paid_at = invoice.status_transitions.paid_at or invoice.created
    return InvoiceFacts(
        invoice_id=invoice.id,
        subscription_id=id_of(subscription) or "",
        is_paid=invoice.status == "paid",
        failed_attempts=invoice.attempt_count if invoice.status == "open" else 0,
        price_id=_price_of(line),
        quantity=line.quantity or 1,
        period_start=_moment(line.period.start),
        period_end=_moment(line.period.end),
        payment_intent_id=_intent_of(invoice),
        amount_minor=invoice.amount_paid,
        currency=invoice.currency,
        paid_at=_moment(paid_at),
        invoice_url=invoice.hosted_invoice_url or "",
    )


def _is_period(line: stripe.InvoiceLineItem) -> bool:
    """Whether a line is a whole period at a price, not a proration nor a trial of nothing."""
    details = line.parent.subscription_item_details if line.parent else None
    return details is not None and not details.proration and line.amount > 0 and bool(_price_of(line))


def _price_of(line: stripe.InvoiceLineItem) -> str:
    pricing = line.pricing
    return id_of(pricing.price_details.price) or "" if pricing and pricing.price_details else ""


def _intent_of(invoice: stripe.Invoice) -> str | None:
    payments = getattr(invoice, "payments", None)  # only there if it was asked for
    paid = [one for one in (payments.data if payments else []) if one.status == "paid"]
    return next((id_of(one.payment.payment_intent) for one in paid if one.payment.payment_intent), None)


BALANCE_KINDS = {
    "charge": "charged",
    "refund": "refunded",
    "refund_failure": "refunded",
    "dispute": "disputed",
    "dispute_reversal": "disputed",
}


def of_balance(entry: stripe.BalanceTransaction) -> BalanceFacts:
    """Asked for with its source expanded. Where currencies differ, the source says how much of the payer's it was."""
    source = entry.source if isinstance(entry.source, stripe.Charge | stripe.Refund | stripe.Dispute) else None
    amount = entry.amount
    if source is not None and source.currency != entry.currency:
        amount = source.amount if amount > 0 else -source.amount
    charge = source if isinstance(source, stripe.Charge) else None
    fees = sum(one.amount for one in entry.fee_details)
    return BalanceFacts(
        entry_id=entry.id,
        kind=BALANCE_KINDS.get(entry.reporting_category, "") if source is not None else "",
        at=_moment(entry.created),
        source_id=id_of(entry.source) or "",
        payment_intent_id=id_of(source.payment_intent) if source is not None else None,
        customer_id=id_of(charge.customer) if charge is not None else None,
        order_id=_uuid(charge.metadata.to_dict().get("order")) if charge is not None and charge.metadata else None,
        amount_minor=amount,
        kept_in=entry.currency,
        fee_minor=entry.fee,
        net_minor=entry.net,
        adds_up=entry.net == entry.amount - entry.fee and fees == entry.fee,
    )


def of_subscription(subscription: stripe.Subscription) -> SubscriptionFacts:
    item = gateway.item_of(subscription)
    ends_at = subscription.ended_at or subscription.cancel_at
    if subscription.cancel_at_period_end:
        ends_at = ends_at or item.current_period_end
    return SubscriptionFacts(
        subscription_id=subscription.id,
        workspace=_uuid(subscription.metadata.to_dict().get("workspace")),
        customer_id=id_of(subscription.customer) or "",
        price_id=item.price.id,
        status=subscription.status,
        period_start=_moment(item.current_period_start),
        period_end=_moment(item.current_period_end),
        ends_at=_moment(ends_at) if ends_at else None,
        next_price_id=_next_price(subscription, item),
    )


def _next_price(subscription: stripe.Subscription, item: stripe.SubscriptionItem) -> str | None:
    schedule = subscription.schedule
    if not isinstance(schedule, stripe.SubscriptionSchedule):
        return None
    later = [phase for phase in schedule.phases if phase.start_date >= item.current_period_end]
    if not later:
        return None
    items = cast("list[Any]", later[0]["items"])
    price = id_of(items[0].price)
    return price if price != item.price.id else None


def _moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
