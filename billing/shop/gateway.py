"""Everything that we ask of Stripe, and nothing else asks it.

Each call that makes something carries an idempotency key that follows from our own rows, so that asking again, after a
crash or a lost answer, makes nothing twice. No call is made inside a database transaction.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, Final, Literal, cast
from uuid import UUID, uuid5

import stripe
from django.conf import settings
from stripe import StripeClient

from billing.shop import locks
from billing.shop.errors import BuyingIsOff
from billing.shop.models import Order, Payment, Price
from loremotion import database, page_deadline

API_VERSION = "2026-10-28.endive"
ANSWER_SECONDS = 6
RETRIED_WITHIN_SECONDS = 4
"""Whoever waits at a page hears within 10 seconds that Stripe does not answer; within ``PAGE_SECONDS`` of
``loremotion.page_deadline`` where several answers are slow."""
PORTAL_PURPOSE = "loremotion-1"
"""Names the portal configuration that we made; a new number makes a new one."""
DASHBOARD: Final = "https://dashboard.stripe.com"
_PAGES: Final = {"pi_": "payments", "in_": "invoices", "cus_": "customers", "sub_": "subscriptions"}
"""How an id begins → where the dashboard shows it."""


def is_on() -> bool:
    """Whether there is a key, so that things can be bought."""
    return bool(settings.STRIPE_SECRET_KEY)


def dashboard_address(object_id: str) -> str:
    """Where staff sees an object at Stripe, by how its id begins; empty of what has no page of its own there."""
    page = next((page for start, page in _PAGES.items() if object_id.startswith(start)), "")
    mode = "test/" if "_test_" in settings.STRIPE_SECRET_KEY else ""
    return f"{DASHBOARD}/{mode}{page}/{object_id}" if page else ""


def client() -> StripeClient:
    """The process's client.

    Raises:
        BuyingIsOff: there is no key.
    """
    if not is_on():
        raise BuyingIsOff
    return _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> StripeClient:
    return StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base},
        max_network_retries=2,
        http_client=_BoundedClient(),
    )


class _BoundedClient(stripe.RequestsClient):
    """Keeps no connection of the database while Stripe is asked, and asks only as long as somebody may wait."""

    @property
    def _timeout(self) -> float:
        return max(0.1, min(ANSWER_SECONDS, page_deadline.seconds_left()))

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        """The library's own is for all requests alike, and a page has less left with each."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if page_deadline.seconds_left() <= 0:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call] # the library's own has no types
                "This page has waited for Stripe long enough."
            )
        locks.renew()
        database.give_back()
        return super().request(*args, **kwargs)

    def request_with_retries(self, *args: Any, **kwargs: Any) -> Any:
        self._thread_local.first_asked_at = time.monotonic()
        return super().request_with_retries(*args, **kwargs)

    def _should_retry(self, *args: Any, **kwargs: Any) -> bool:
        is_in_time = time.monotonic() - self._thread_local.first_asked_at < RETRIED_WITHIN_SECONDS
        return is_in_time and bool(super()._should_retry(*args, **kwargs))


# --- what we sell ------------------------------------------------------------------------------------------------


def stripe_price_of(price: Price) -> str:
    """Stripe's id for one of our prices, which Stripe is told of the first time it is needed."""
    if price.stripe_price_id is None:
        item = price.item
        kind = "plan" if price.plan_id else "pack"
        product = _product(f"loremotion-{kind}-{item.slug}", item.name, item.tax_code)
        made = client().v1.prices.create(
            {
                "product": product,
                "currency": price.currency,
                "unit_amount": price.amount_minor,
                "tax_behavior": "exclusive",
                "metadata": {"price": str(price.pk)},
                **({"recurring": {"interval": price.interval}} if price.plan_id else {}),  # type: ignore[typeddict-item] # one of two words
            },
            {"idempotency_key": f"price:{price.pk}:{price.created_at.timestamp():.0f}"},
        )
        Price.objects.filter(pk=price.pk, stripe_price_id=None).update(stripe_price_id=made.id)
        price.refresh_from_db(fields=["stripe_price_id"])
    assert price.stripe_price_id is not None
    return price.stripe_price_id


def _product(product_id: str, name: str, tax_code: str) -> str:
    try:
        client().v1.products.create({"id": product_id, "name": name, "tax_code": tax_code})
    except stripe.InvalidRequestError as error:
        if error.code != "resource_already_exists":
            raise
    return product_id


def create_customer(*, workspace: UUID, email: str) -> str:
    made = client().v1.customers.create(
        {"metadata": {"workspace": str(workspace)}, **({"email": email} if email else {})},
        {"idempotency_key": f"customer:{uuid5(workspace, email)}"},  # another member's address is another request
    )
    return made.id


# --- Checkout ----------------------------------------------------------------------------------------------------


def create_session(order: Order, *, customer: str | None, email: str, back: str) -> stripe.checkout.Session:
    """Open the page at Stripe on which the order is paid, and return it.

    Args:
        back: our own page of the order, to which the person returns either way.
    """
    metadata = {"order": str(order.pk), "workspace": str(order.workspace)}
    asked: stripe.params.checkout.SessionCreateParams = {
        "client_reference_id": str(order.pk),
        "metadata": metadata,
        "line_items": [{"price": stripe_price_of(order.price), "quantity": 1}],
        "success_url": back,
        "cancel_url": back,
        "automatic_tax": {"enabled": settings.STRIPE_TAX},
    }
    if settings.STRIPE_TAX:
        asked["tax_id_collection"] = {"enabled": True}
        asked["billing_address_collection"] = "required"
    if customer is not None:
        asked["customer"] = customer
        if settings.STRIPE_TAX:
            asked["customer_update"] = {"address": "auto", "name": "auto"}
    elif email:
        asked["customer_email"] = email
    if order.price.plan_id:
        asked["mode"] = "subscription"
        asked["subscription_data"] = {"metadata": metadata}
    else:
        asked["mode"] = "payment"
        asked["payment_intent_data"] = {"metadata": metadata}
        asked["invoice_creation"] = {"enabled": True}
    return client().v1.checkout.sessions.create(asked, {"idempotency_key": f"order:{order.pk}"})


def expire_session(session_id: str) -> bool:
    """Close the pay page, unless it is closed or paid already. False if Stripe knows of no such page."""
    try:
        client().v1.checkout.sessions.expire(session_id)
    except stripe.InvalidRequestError as error:
        return error.code != "resource_missing"
    return True


# --- subscriptions -----------------------------------------------------------------------------------------------


def change_now(subscription: stripe.Subscription, *, price: Price, key: str) -> stripe.Subscription:
    """Begin a full new period at ``price``, once it is paid; until then everything stays as it is."""
    return client().v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item_of(subscription).id, "price": stripe_price_of(price)}],
            "billing_cycle_anchor": {"type": "now"},
            "proration_behavior": "none",
            "payment_behavior": "pending_if_incomplete",
        },
        {"idempotency_key": key},
    )


def change_at_period_end(subscription: stripe.Subscription, *, price: Price, key: str) -> None:
    """Change to ``price`` with the next period; what is paid for stays until then."""
    schedule_id = id_of(subscription.schedule)
    if schedule_id is None:
        schedules = client().v1.subscription_schedules
        schedule_id = schedules.create(
            {"from_subscription": subscription.id}, {"idempotency_key": f"{key}:schedule"}
        ).id
    schedule = client().v1.subscription_schedules.retrieve(schedule_id)
    now = schedule.phases[0]
    current = item_of(subscription)
    client().v1.subscription_schedules.update(
        schedule_id,
        {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [{"price": current.price.id, "quantity": 1}],
                    "start_date": now.start_date,
                    "end_date": current.current_period_end,
                },
                {
                    "items": [{"price": stripe_price_of(price), "quantity": 1}],
                    "duration": {"interval": cast(Literal["month", "year"], price.interval), "interval_count": 1},
                    "proration_behavior": "none",
                },
            ],
        },
    )


def keep_price(subscription: stripe.Subscription) -> None:
    """Forget a change that was to come at the period's end."""
    schedule_id = id_of(subscription.schedule)
    if schedule_id is not None:
        client().v1.subscription_schedules.release(schedule_id)


def set_cancelled(subscription_id: str, *, is_cancelled: bool) -> None:
    """Let the subscription end with the period that is paid, or go on after all."""
    client().v1.subscriptions.update(subscription_id, {"cancel_at_period_end": is_cancelled})


def item_of(subscription: stripe.Subscription) -> stripe.SubscriptionItem:
    """The item of a subscription: ours have one."""
    items = cast("stripe.ListObject[stripe.SubscriptionItem]", subscription["items"])  # .items is a method of dict's
    return items.data[0]


def id_of(one: object) -> str | None:
    """The id of something that Stripe names or shows, whether or not it was expanded."""
    return one if isinstance(one, str) or one is None else str(one.id)  # type: ignore[attr-defined] # every object has one


# --- money that goes back ------------------------------------------------------------------------------------------


def create_refund(payment: Payment, *, amount_minor: int, attempt: UUID, reason: str, actor: str) -> stripe.Refund:
    """Send money back.

    The key is the attempt's own: under a key that a refusal has used up, Stripe would give the same refusal for a day,
    also to another amount.
    """
    assert payment.stripe_payment_intent_id is not None
    return client().v1.refunds.create(
        {
            "payment_intent": payment.stripe_payment_intent_id,
            "amount": amount_minor,
            "reason": "requested_by_customer",
            "metadata": {"attempt": str(attempt), "actor": actor, "why": reason[:500]},
        },
        {"idempotency_key": f"refund:{attempt}"},
    )


# --- the rest ----------------------------------------------------------------------------------------------------


def portal_url(customer: str, *, back: str) -> str:
    """The address at which a customer changes card and address, reads invoices, and cancels."""
    made = client().v1.billing_portal.sessions.create(
        {"customer": customer, "configuration": _portal_configuration(), "return_url": back}
    )
    return made.url


def _portal_configuration() -> str:
    """Our portal's configuration, made once: plans are changed on our own pages, where the credits are shown.

    Two made at the same moment do no harm. A key would: what Stripe refuses until somebody fills in the account's terms
    would stay refused for a day after.
    """
    known = client().v1.billing_portal.configurations.list({"active": True, "limit": 100})
    for one in known.auto_paging_iter():
        if one.metadata is not None and one.metadata.to_dict().get("purpose") == PORTAL_PURPOSE:
            return one.id
    made = client().v1.billing_portal.configurations.create(
        {
            "features": {
                "payment_method_update": {"enabled": True},
                "invoice_history": {"enabled": True},
                "customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
                "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            },
            "metadata": {"purpose": PORTAL_PURPOSE},
        }
    )
    return made.id
