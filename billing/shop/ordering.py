"""From "buy" to Stripe's pay page: a row of ours first, then Checkout, and nothing granted on the way."""

from __future__ import annotations

from uuid import UUID

import stripe
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from billing.shop import convergence, gateway
from billing.shop.errors import BuyingIsOff, StripeIsAway
from billing.shop.locks import Busy, alone_with
from billing.shop.models import Customer, Order, Price, Subscription
from loremotion.refusals import Conflict, Invalid


def order(*, order_id: UUID, workspace: UUID, price: Price, actor: str) -> Order:
    """Return the order that a form stands for, made once however often the form is sent.

    Args:
        order_id: written into the form when it was shown, so that sending it twice orders once.

    Raises:
        Invalid: the price is not offered any more.
        Conflict: the id is another workspace's, or another price's; or there is a plan already, which can be changed.
    """
    if not Price.objects.offered().filter(id=price.id).exists():
        raise Invalid("not_offered", _("This is no longer offered."), next_step=_("See the current prices."))
    if price.plan_id:
        _refuse_second_plan(workspace)
    taken = Conflict(
        "order_taken",
        _("This form was already used for something else."),
        next_step=_("Reload the page and try again."),
    )
    try:
        with transaction.atomic():
            made, _is_new = Order.objects.get_or_create(
                id=order_id,
                defaults={
                    "workspace": workspace,
                    "account": workspace,
                    "price": price,
                    "credits": price.credits,
                    "actor": actor,
                },
            )
    except IntegrityError as error:  # by another workspace, whose row is not shown here
        raise taken from error
    if (made.workspace, made.price_id) != (workspace, price.id):
        raise taken
    return made


def pay_page(order: Order, *, email: str, back: str) -> str:
    """Return the address at which the order is paid: the same each time.

    Raises:
        StripeIsAway, BuyingIsOff: nothing was bought; the same form can be sent again.
        Conflict: it is paid or closed; or there is a plan already, or another one is being paid.
    """
    if order.state != Order.State.OPEN:
        raise Conflict(
            "order_closed",
            _("This order is paid.") if order.state == Order.State.PAID else _("This order is not paid."),
            next_step=_("Start a new one."),
        )
    try:
        if not order.price.plan_id:
            return _open_page(order, email=email, back=back)
        # Alone, so that no other page is open whose id is not written down yet, and which could not be shut.
        with alone_with(f"plan:{order.workspace}"):
            _shut_other_pages(order)
            _refuse_second_plan(order.workspace)
            return _open_page(order, email=email, back=back)
    except stripe.StripeError as error:
        raise refusal(error) from error


def _open_page(order: Order, *, email: str, back: str) -> str:
    customer = customer_of(order, email=email)
    made = gateway.create_session(order, customer=customer, email=email, back=back)
    Order.objects.filter(id=order.id).update(stripe_session_id=made.id)
    assert made.url is not None  # an open session has one
    return made.url


def customer_of(order: Order, *, email: str) -> str | None:
    """The workspace's customer at Stripe, made with its first plan. Without a plan Checkout makes what it needs."""
    known = Customer.objects.filter(workspace=order.workspace).first()
    if known is None and order.price.plan_id:
        made = gateway.create_customer(workspace=order.workspace, email=email)
        known, _is_new = Customer.objects.get_or_create(
            workspace=order.workspace, defaults={"stripe_customer_id": made}
        )
    return known.stripe_customer_id if known is not None else None


def fulfil_if_paid(order: Order) -> None:
    """Fulfil the order if Stripe says that it is paid, so that people wait for no webhook. Never fails."""
    try:
        convergence.converge_order(order.id, is_patient=False)
    except (stripe.StripeError, Busy, BuyingIsOff, StripeIsAway):
        return  # the webhook brings it


def _shut_other_pages(order: Order) -> None:
    """Of several pay pages for a plan only the last can be paid, so that nobody ends up with two plans. What became of
    the others is asked at once: one of them may have been paid a moment ago."""
    others = Order.objects.filter(workspace=order.workspace, state=Order.State.OPEN, price__plan__isnull=False)
    for other in others.exclude(id=order.id).exclude(stripe_session_id=None):
        if not gateway.expire_session(other.stripe_session_id or ""):
            continue  # made with another account's key
        convergence.converge_order(other.id)
        if Order.objects.filter(id=other.id, state=Order.State.OPEN).exists():
            raise Conflict(
                "plan_is_being_paid",
                _("A payment for a plan is still being processed by the bank."),
                next_step=_("Once it's done, change the plan, or choose again if it wasn't paid."),
            )


def _refuse_second_plan(workspace: UUID) -> None:
    if Subscription.objects.of(workspace).ongoing().exists():
        raise Conflict(
            "has_a_plan", _("This workspace already has a plan."), next_step=_("Change it instead of buying another.")
        )


def refusal(error: stripe.StripeError) -> StripeIsAway | Conflict:
    """The refusal that a person sees for an error of Stripe's."""
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError):
        return Conflict(
            "stripe_refused",
            _("Our payment provider refused this: %(reason)s") % {"reason": error.user_message or error},
            next_step=_("Reload the page. If it happens again, contact the people who run this site."),
        )
    return StripeIsAway()
