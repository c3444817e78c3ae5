"""Rules of Stripe's that the site counts on: the imitation keeps them, and with STRIPE_TEST_KEY so does Stripe.

A test that passes against a lenient imitation proves nothing, so what is wrong here is wrong on purpose.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import stripe as library

from tests.shop.shop_steps import open_order, pack_price
from tests.shop.stripe_driver import DISPUTED, StripeDriver


@pytest.fixture
def api(stripe_driver: StripeDriver) -> Any:
    """The library's own client, as the site uses it. Typed loosely, because what is sent here is wrong on purpose."""
    return stripe_driver.api


def price(api: Any, **changes: Any) -> str:
    product = api.products.create({"name": "Credits"})
    return str(api.prices.create({"product": product.id, "currency": "usd", "unit_amount": 500, **changes}).id)


def asked(price_id: str, **changes: Any) -> dict[str, Any]:
    lines = [{"price": price_id, "quantity": 1}]
    return {"mode": "payment", "success_url": "https://site.test", "line_items": lines, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"line_items": [{"price": "price_1", "qty": 1}]},
        {"mode": "sale"},
        {"ui_mode": "hosted"},
        {"expires_at": "tomorrow"},
        {"automatic_tax": {"enabled": "maybe"}},
        {"line_items": "all"},
        {"line_items": []},
        {"line_items": [{"price": "price_nobody"}]},
        {"subscription_data": {"metadata": {}, "trial_period_days": 3}},
        {"mode": "subscription"},
    ],
)
def test_a_request_that_fits_no_type_or_no_price_is_refused(api: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(library.InvalidRequestError):
        api.checkout.sessions.create(asked(price(api), **changes))


def test_the_same_key_gives_the_same_object_and_another_request_under_it_is_refused(api: Any) -> None:
    price_id, key = price(api), {"idempotency_key": str(uuid4())}
    first = api.checkout.sessions.create(asked(price_id), key)
    assert api.checkout.sessions.create(asked(price_id), key).id == first.id
    with pytest.raises(library.IdempotencyError, match="same parameters"):
        api.checkout.sessions.create(asked(price_id, client_reference_id="x"), key)


def test_a_request_that_is_refused_for_its_form_does_not_use_its_key_up(api: Any) -> None:
    key = {"idempotency_key": str(uuid4())}
    with pytest.raises(library.InvalidRequestError):
        api.products.create({"colour": "red"}, key)
    assert api.products.create({"name": "Credits"}, key).name == "Credits"


def test_a_refusal_of_what_was_tried_is_the_key_s_answer_from_then_on(stripe_driver: StripeDriver, api: Any) -> None:
    intent, key = stripe_driver.buy(uuid4(), pack_price()).stripe_payment_intent_id, {"idempotency_key": str(uuid4())}
    with pytest.raises(library.InvalidRequestError, match="greater than"):
        api.refunds.create({"payment_intent": intent, "amount": 501}, key)
    with pytest.raises(library.InvalidRequestError, match="greater than"):
        api.refunds.create({"payment_intent": intent, "amount": 501}, key)
    with pytest.raises(library.IdempotencyError):
        api.refunds.create({"payment_intent": intent, "amount": 500}, key)


def test_nobody_refunds_more_than_was_paid(stripe_driver: StripeDriver, api: Any) -> None:
    intent = stripe_driver.buy(uuid4(), pack_price()).stripe_payment_intent_id
    api.refunds.create({"payment_intent": intent, "amount": 300})
    with pytest.raises(library.InvalidRequestError, match="greater than unrefunded amount"):
        api.refunds.create({"payment_intent": intent, "amount": 201})
    api.refunds.create({"payment_intent": intent})
    with pytest.raises(library.InvalidRequestError, match="already been refunded"):
        api.refunds.create({"payment_intent": intent})


def test_what_is_disputed_cannot_be_refunded(stripe_driver: StripeDriver, api: Any) -> None:
    payment = stripe_driver.buy(uuid4(), pack_price(), card=DISPUTED)
    stripe_driver.dispute_of(payment)
    with pytest.raises(library.InvalidRequestError, match="charged back"):
        api.refunds.create({"payment_intent": payment.stripe_payment_intent_id})


def test_a_session_is_paid_once_and_not_after_it_was_shut(stripe_driver: StripeDriver, api: Any) -> None:
    paid, shut = open_order(uuid4(), pack_price()), open_order(uuid4(), pack_price())
    stripe_driver.pay(paid)
    with pytest.raises(library.StripeError):
        stripe_driver.pay(paid)
    api.checkout.sessions.expire(shut.stripe_session_id)
    with pytest.raises(library.StripeError):
        stripe_driver.pay(shut)


def test_lists_are_filtered_and_paged(stripe_driver: StripeDriver, api: Any) -> None:
    intent = stripe_driver.buy(uuid4(), pack_price()).stripe_payment_intent_id
    for _ in range(5):
        api.refunds.create({"payment_intent": intent, "amount": 10})
    stripe_driver.refund(stripe_driver.buy(uuid4(), pack_price()), 10)
    page = api.refunds.list({"payment_intent": intent, "limit": 2})
    assert page.has_more
    assert len(list(page.auto_paging_iter())) == 5
    stripe_driver.happened("refund.created")
    created = {"gte": int(stripe_driver.began_at.timestamp())}
    listed = api.events.list({"types": ["refund.created"], "created": created, "limit": 2})
    assert len([one for one in listed.auto_paging_iter() if one.data.object["payment_intent"] == intent]) == 5
    with pytest.raises(library.InvalidRequestError):
        api.refunds.list({"colour": "red"})


def test_every_movement_of_money_leaves_an_entry_that_adds_up(stripe_driver: StripeDriver, api: Any) -> None:
    payment = stripe_driver.buy(uuid4(), pack_price())
    stripe_driver.refund(payment, 300)
    disputed = stripe_driver.buy(uuid4(), pack_price(), card=DISPUTED)
    stripe_driver.win(stripe_driver.dispute_of(disputed))
    stripe_driver.happened("charge.dispute.funds_reinstated")
    since = {"created": {"gte": int(stripe_driver.began_at.timestamp())}}
    ours = {payment.stripe_payment_intent_id, disputed.stripe_payment_intent_id}
    entries = [
        one
        for one in api.balance_transactions.list({"limit": 2, "expand": ["data.source"], **since}).auto_paging_iter()
        if getattr(one.source, "payment_intent", None) in ours
    ]
    assert {(one.reporting_category, one.amount > 0) for one in entries} == {
        ("charge", True),
        ("refund", False),
        ("dispute", False),
        ("dispute_reversal", True),
    }
    assert all(one.net == one.amount - one.fee for one in entries)


def test_without_a_key_nobody_is_answered(stripe_driver: StripeDriver) -> None:
    stranger = library.StripeClient("pk_test_x", base_addresses={"api": stripe_driver.address})
    with pytest.raises((library.AuthenticationError, library.PermissionError)):
        stranger.v1.products.create({"name": "Credits"})
