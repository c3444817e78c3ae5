"""Changing a plan: up at once for a full new period, down with the next one; cancelling and taking that back."""

from __future__ import annotations

import logging
from enum import StrEnum
from uuid import UUID

import stripe
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts.models import Workspace
from billing.shop import convergence, gateway, lookups, ordering
from billing.shop.models import Customer, Price, Subscription
from loremotion.refusals import Conflict, Invalid

logger = logging.getLogger(__name__)


class Change(StrEnum):
    """When a change of plan takes effect."""

    NOW = "now"
    LATER = "at the period's end"
    NONE = "not at all"


def subscription_of(workspace: UUID) -> Subscription | None:
    """The workspace's subscription that Stripe has not ended."""
    return Subscription.objects.of(workspace).ongoing().order_by("-period_end").first()


def kind_of_change(current: Price, wanted: Price) -> Change:
    """When a change takes effect: at once where more is bought for more money, else with the next period."""
    if current == wanted:
        return Change.NONE
    is_more = wanted.monthly_minor > current.monthly_minor or wanted.months > current.months
    return Change.NOW if is_more and wanted.months >= current.months else Change.LATER


def change(*, workspace: UUID, price: Price, attempt: UUID) -> Change:
    """Change the plan. Upwards a full new period begins once it is paid, and what is left of the old credits stays.

    Args:
        attempt: written into the form when it was shown, so that sending it twice changes once.

    Raises:
        Conflict: there is no subscription, or it is already ending, or late, or is for several times the plan.
        Invalid: the price is not offered, or in another currency.
        PaymentDeclined: the upgrade was not paid, and everything is as it was.
    """
    subscription = _changeable(workspace)
    if not Price.objects.offered().filter(id=price.id, plan__isnull=False).exists():
        raise Invalid("not_offered", _("This plan is no longer offered."), next_step=_("See the current plans."))
    if price.currency != subscription.price.currency:
        raise Invalid(
            "other_currency",
            _("Your subscription is billed in %(currency)s.") % {"currency": subscription.price.currency.upper()},
            next_step=_("Choose a price in that currency, or cancel and subscribe again."),
        )
    kind = kind_of_change(subscription.price, price)
    if kind is not Change.NONE:
        _apply(subscription, price, kind, key=f"change:{attempt}")
    return kind


class PaymentDeclined(Conflict):
    """The card was declined; nothing has changed."""

    status = 402


def _apply(subscription: Subscription, price: Price, kind: Change, *, key: str) -> None:
    try:
        fetched = lookups.subscription(subscription.stripe_subscription_id)
        if (gateway.item_of(fetched).quantity or 1) > 1:
            raise Conflict(
                "bought_several_times",
                _("Your subscription holds this plan more than once, so it can't be changed here."),
                next_step=_("Contact the people who run this site."),
            )
        if kind is Change.NOW:
            gateway.keep_price(fetched)
            fetched = gateway.change_now(fetched, price=price, key=key)
        else:
            gateway.change_at_period_end(fetched, price=price, key=key)
        convergence.converge_subscription(subscription.stripe_subscription_id)
    except stripe.StripeError as error:
        raise ordering.refusal(error) from error
    if fetched.pending_update is not None:
        raise PaymentDeclined(
            "payment_declined",
            _("Your bank declined the payment. Your plan hasn't changed."),
            next_step=_("Update your card under “Cards and invoices”, then try again."),
        )


def keep(*, workspace: UUID) -> None:
    """Forget a change that was to come with the next period."""
    subscription = _ongoing(workspace)
    try:
        gateway.keep_price(lookups.subscription(subscription.stripe_subscription_id))
        convergence.converge_subscription(subscription.stripe_subscription_id)
    except stripe.StripeError as error:
        raise ordering.refusal(error) from error


def set_cancelled(*, workspace: UUID, is_cancelled: bool) -> None:
    """Let the plan end with the period that is paid for, or go on after all."""
    subscription = _ongoing(workspace)
    try:
        gateway.keep_price(lookups.subscription(subscription.stripe_subscription_id))
        gateway.set_cancelled(subscription.stripe_subscription_id, is_cancelled=is_cancelled)
        convergence.converge_subscription(subscription.stripe_subscription_id)
    except stripe.StripeError as error:
        raise ordering.refusal(error) from error


def end_all(workspace: UUID) -> None:
    """Let every subscription of a workspace that closes end with its period. The beat asks again for what fails."""
    for subscription in Subscription.objects.of(workspace).ongoing().filter(ends_at=None):
        try:
            gateway.keep_price(lookups.subscription(subscription.stripe_subscription_id))
            gateway.set_cancelled(subscription.stripe_subscription_id, is_cancelled=True)
            convergence.converge_subscription(subscription.stripe_subscription_id)
        except (stripe.StripeError, convergence.UnknownPrice):
            logger.exception("%s goes on although its workspace is closed", subscription)


def left_behind(*, limit: int = 50) -> list[UUID]:
    """Some workspaces that are closed or gone and whose plan would go on all the same."""
    going_on = Subscription.objects.ongoing().filter(ends_at=None)
    theirs = going_on.filter(~Exists(Workspace.objects.filter(id=OuterRef("workspace"), closed_at=None)))
    return list(theirs.order_by("?").values_list("workspace", flat=True)[:limit])


def portal(*, workspace: UUID, back: str) -> str:
    """The address at which a workspace's card, address and invoices are seen to.

    Raises:
        Conflict: nothing has been bought that a portal could show.
    """
    customer = Customer.objects.filter(workspace=workspace).first()
    if customer is None:
        raise Conflict(
            "no_customer", _("There are no invoices yet."), next_step=_("The first one comes with your first plan.")
        )
    try:
        return gateway.portal_url(customer.stripe_customer_id, back=back)
    except stripe.StripeError as error:
        raise ordering.refusal(error) from error


def _ongoing(workspace: UUID) -> Subscription:
    subscription = subscription_of(workspace)
    if subscription is None:
        raise Conflict("no_plan", _("This workspace has no plan."), next_step=_("Choose one on the pricing page."))
    return subscription


def _changeable(workspace: UUID) -> Subscription:
    subscription = _ongoing(workspace)
    if subscription.is_late:
        raise Conflict(
            "payment_is_late", _("The last payment failed."), next_step=_("Pay it first, with another card.")
        )
    if subscription.ends_at is not None:
        raise Conflict(
            "plan_is_ending", _("This plan has been cancelled."), next_step=_("Keep it first, then change it.")
        )
    return subscription
