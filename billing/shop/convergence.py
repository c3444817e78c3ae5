"""From what Stripe says to what our rows and the ledger say.

An event is a hint. Whatever the hint was, the object is fetched anew, and everything that follows from it is brought to
where it must be: what was granted, and how much of that is taken back, counted from the beginning. So any event in any
order, twice or never with a later one, leads to the same end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing import ledger
from billing.shop import facts, gateway, locks, lookups, notices, second_plans
from billing.shop.facts import InvoiceFacts, Money, Paying, SubscriptionFacts
from billing.shop.locks import alone_with
from billing.shop.models import Customer, Order, Payment, Price, Subscription

logger = logging.getLogger(__name__)

LAPSE_GRACE = timedelta(days=1)
"""A period's credits outlive it by this, so that nobody stands empty-handed until the renewal is paid."""


class UnknownPrice(Exception):
    """Something was paid at a price that no row of ours stands for: made by hand at Stripe, or in another account."""


# --- sessions ----------------------------------------------------------------------------------------------------


def converge_session(session_id: str) -> None:
    """Bring the order that a session is for to what the session says."""
    order_id = facts.of_session(lookups.session(session_id)).order_id
    order = Order.objects.filter(id=order_id).first() if order_id is not None else None
    if order is None:
        logger.info("Session %s is not for an order of ours", session_id)
        return
    Order.objects.filter(id=order.id, stripe_session_id=None).update(stripe_session_id=session_id)
    converge_order(order.id)


def converge_order(order_id: UUID, *, is_patient: bool = True) -> None:
    """Bring an order to what Stripe says of its session: paid and granted, closed, or still open.

    Raises:
        Busy: it is being done elsewhere, and the caller is not patient.
        stripe.StripeError: Stripe did not answer.
    """
    with alone_with(f"order:{order_id}", is_patient=is_patient):
        order = Order.objects.select_related("price__plan", "price__pack").get(id=order_id)
        if order.stripe_session_id is None:
            return
        session = facts.of_session(lookups.session(order.stripe_session_id))
        if session.paying is Paying.PAID and session.subscription_id is not None:
            converge_subscription(session.subscription_id)
            # Not before: with neither an open order nor a plan, another plan could be bought meanwhile.
            _close(order, Order.State.PAID)
        elif session.paying is Paying.PAID:
            money = facts.money_of(
                session.payment_intent_id,
                amount_minor=session.amount_minor,
                currency=session.currency,
                invoice_url=session.invoice_url,
            )
            with _still_alone():
                _settle(_payment_of_order(order, money), money, reason=f"{order.price.item}")
                _close(order, Order.State.PAID)
        elif session.paying is not Paying.OPEN:
            _close(order, Order.State(session.paying.value))


@contextmanager
def _still_alone() -> Iterator[None]:
    """A transaction that nothing overtakes: its locks are held until it ends, whatever Stripe took to answer.

    Raises:
        StripeIsAway: one of them lapsed, and another process has taken it since.
    """
    with transaction.atomic():
        locks.renew()
        yield


def _close(order: Order, state: Order.State) -> None:
    with _still_alone():
        Order.objects.filter(id=order.id).exclude(state=state).update(state=state, closed_at=timezone.now())


def _payment_of_order(order: Order, money: Money) -> Payment:
    payment, _ = Payment.objects.get_or_create(
        source=f"order:{order.id}",
        defaults={
            "workspace": order.workspace,
            "account": order.account,
            "order": order,
            "price": order.price,
            "credits": order.credits,
            "stripe_payment_intent_id": money.payment_intent_id,
            "amount_minor": money.amount_minor,
            "currency": money.currency,
            "paid_at": timezone.now(),
        },
    )
    return payment


# --- subscriptions and their invoices ----------------------------------------------------------------------------


def converge_subscription(subscription_id: str) -> None:
    """Bring a subscription to what Stripe says, with the invoice that is its latest. Grants by that invoice alone."""
    with alone_with(f"subscription:{subscription_id}"):
        fetched = lookups.subscription(subscription_id)
        _store(facts.of_subscription(fetched))
    latest = gateway.id_of(fetched.latest_invoice)
    if latest is not None:
        converge_invoice(latest)


def converge_invoice(invoice_id: str) -> None:
    """Bring the period that an invoice is for to what the invoice says: only a paid one brings credits."""
    hint = facts.of_invoice(lookups.invoice(invoice_id))
    if hint is None:
        return
    with alone_with(f"subscription:{hint.subscription_id}"):
        subscription = _store(facts.of_subscription(lookups.subscription(hint.subscription_id)))
        invoice = facts.of_invoice(lookups.invoice(invoice_id))
        if subscription is None or invoice is None:
            return
        if not invoice.is_paid:
            if subscription.is_late:
                _note_failure(subscription, invoice)
            return
        money = facts.money_of(
            invoice.payment_intent_id,
            amount_minor=invoice.amount_minor,
            currency=invoice.currency,
            invoice_url=invoice.invoice_url,
        )
        with _still_alone():
            payment = _payment_of_invoice(subscription, invoice, money)
            _settle(payment, money, reason=f"{payment.price.item}")


def _note_failure(subscription: Subscription, invoice: InvoiceFacts) -> None:
    with _still_alone():
        Subscription.objects.filter(id=subscription.id).update(failed_attempts=invoice.failed_attempts)
        subscription.failed_attempts = invoice.failed_attempts
        notices.write_payment_failed(subscription)


def _store(said: SubscriptionFacts) -> Subscription | None:
    """Write our row as Stripe describes it and return it; None if it is not ours."""
    known = Subscription.objects.filter(stripe_subscription_id=said.subscription_id).first()
    workspace = known.workspace if known is not None else owner_of(said)
    if workspace is None:
        logger.info("Subscription %s is not for a workspace of ours", said.subscription_id)
        return None
    is_late = said.status in ("past_due", "unpaid")
    late_since = (known.past_due_since if known else None) or timezone.now()
    changes = {
        "price": _price(said.price_id),
        "status": said.status,
        "period_start": said.period_start,
        "period_end": said.period_end,
        "ends_at": said.ends_at,
        "next_price": _price(said.next_price_id) if said.next_price_id else None,
        "past_due_since": late_since if is_late else None,
        "updated_at": timezone.now(),
        **({} if is_late else {"failed_attempts": 0, "dunned_attempts": 0}),
    }
    with _still_alone():
        if said.customer_id:
            Customer.objects.get_or_create(workspace=workspace, defaults={"stripe_customer_id": said.customer_id})
        subscription, is_new = Subscription.objects.update_or_create(
            stripe_subscription_id=said.subscription_id,
            defaults=changes,
            create_defaults={**changes, "workspace": workspace, "account": workspace},
        )
    for doubled in second_plans.find_second_plans(workspace) if is_new else ():
        logger.critical("Two plans for one workspace: %s", doubled)
    return subscription


def owner_of(said: SubscriptionFacts) -> UUID | None:
    """The workspace that a subscription is for: the one that it names or, made by hand at a price of ours, its
    customer's. None if it is not ours."""
    if said.workspace is not None or not Price.objects.filter(stripe_price_id=said.price_id).exists():
        return said.workspace
    return Customer.objects.filter(stripe_customer_id=said.customer_id).values_list("workspace", flat=True).first()


def _payment_of_invoice(subscription: Subscription, invoice: InvoiceFacts, money: Money) -> Payment:
    price = _price(invoice.price_id)
    assert price.plan is not None
    rollover = price.plan.rollover_credits * invoice.quantity
    payment, _ = Payment.objects.select_related("price__plan").get_or_create(
        source=f"invoice:{invoice.invoice_id}",
        defaults={
            "workspace": subscription.workspace,
            "account": subscription.account,
            "subscription": subscription,
            "price": price,
            "credits": price.credits * invoice.quantity,
            "rollover_credits": rollover,
            "expires_at": invoice.period_end + LAPSE_GRACE,
            "rollover_expires_at": _one_month_later(invoice.period_end) + LAPSE_GRACE if rollover else None,
            "stripe_payment_intent_id": money.payment_intent_id,
            "stripe_invoice_id": invoice.invoice_id,
            "amount_minor": money.amount_minor,
            "currency": money.currency,
            "paid_at": invoice.paid_at,
        },
    )
    return payment


def _price(stripe_price_id: str) -> Price:
    price = Price.objects.select_related("plan", "pack").filter(stripe_price_id=stripe_price_id).first()
    if price is None:
        raise UnknownPrice(f"No price of ours is {stripe_price_id} at Stripe. Was it made there by hand?")
    return price


def _one_month_later(moment: datetime) -> datetime:
    return moment + timedelta(days=31)


# --- money -------------------------------------------------------------------------------------------------------


def converge_payment_intent(payment_intent_id: str) -> None:
    """Bring whatever a payment was for to what became of its money: refunds, disputes."""
    payment = Payment.objects.filter(stripe_payment_intent_id=payment_intent_id).select_related("order").first()
    if payment is not None and payment.order is not None:
        converge_order(payment.order.id)
    elif payment is not None:
        converge_invoice(payment.stripe_invoice_id)
    elif order_id := _order_named_in(payment_intent_id):
        converge_order(order_id)
    elif invoice_id := lookups.invoice_paid_by(payment_intent_id):
        converge_invoice(invoice_id)
    else:
        logger.info("Payment %s is not for anything of ours", payment_intent_id)


def _order_named_in(payment_intent_id: str) -> UUID | None:
    """The order that a payment says it is for, when the session's own event has not come yet."""
    named = facts.order_named_in(lookups.payment_intent(payment_intent_id))
    order = Order.objects.filter(id=named, stripe_session_id__isnull=False).first() if named else None
    return order.id if order is not None else None


def credits_taken_back(credits: int, money: Money) -> int:
    """How many of the credits that a payment brought go back with what of its money went back.

    In proportion to what was paid, taxes included; rounded in the buyer's favour; all of them with all of the money.
    """
    if money.amount_minor == 0:
        return 0
    return credits * money.taken_back_minor // money.amount_minor


def _settle(payment: Payment, money: Money, *, reason: str) -> None:
    """Grant what was paid for, and take back what went back. In the caller's transaction.

    While a dispute is open its credits are gone like its money: what is left of them is taken, what was spent is owed.
    If it is won, they come back.
    """
    kind = ledger.LotKind.PACK if payment.order_id is not None else ledger.LotKind.PLAN
    for reference, credits, expires_at in payment.parts:
        ledger.grant(
            account=payment.account,
            reference=reference,
            amount=credits,
            kind=kind,
            expires_at=expires_at,
            actor="stripe",
            reason=reason,
        )
    clawed = left = credits_taken_back(payment.credits, money)
    for reference, credits, _ in payment.parts:
        part = min(left, credits)
        ledger.clawback(reference=reference, target=part, actor="stripe", reason=_why_back(money))
        left -= part
    Payment.objects.filter(id=payment.id).update(
        stripe_payment_intent_id=money.payment_intent_id,
        refunded_minor=money.refunded_minor,
        disputed_minor=money.disputed_minor,
        dispute_status=money.dispute_status,
        dispute_due_at=money.dispute_due_at,
        clawed_credits=clawed,
        receipt_url=money.receipt_url,
        invoice_url=money.invoice_url,
    )


def _why_back(money: Money) -> str:
    reasons = ["refund"] if money.refunded_minor else []
    reasons += [f"dispute {money.dispute_status.replace('_', ' ')}"] if money.dispute_status else []
    return ", ".join(reasons)
