"""What the imitation of Stripe does by its own hand. Rules that Stripe is asked about too: test_rules_of_stripe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stripe as library

from tests.fake_stripe.process import FakeStripeProcess


@pytest.fixture
def api(stripe_process: FakeStripeProcess) -> Any:
    """The library's own client. Typed loosely, because what is sent here is wrong on purpose."""
    stripe_process.control("reset")
    return library.StripeClient("sk_test_x", base_addresses={"api": stripe_process.url}, max_network_retries=2).v1


def price(api: Any, **changes: Any) -> str:
    product = api.products.create({"name": "Credits"})
    return str(api.prices.create({"product": product.id, "currency": "usd", "unit_amount": 500, **changes}).id)


def paid(api: Any, stripe: FakeStripeProcess) -> str:
    """A payment intent of $5.00 that was paid."""
    session = api.checkout.sessions.create(asked(price(api)))
    return str(stripe.pay(session.id)["payment_intent"])


def asked(price_id: str, **changes: Any) -> dict[str, Any]:
    lines = [{"price": price_id, "quantity": 1}]
    return {"mode": "payment", "success_url": "https://site.test", "line_items": lines, **changes}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "unknown parameter: colour"),
        ({"line_items": [{"price": "price_1", "qty": 1}]}, r"unknown parameter: line_items\[0\]\[qty\]"),
        ({"mode": "sale"}, "must be one of payment"),
        ({"ui_mode": "hosted"}, "must be one of"),
        ({"expires_at": "tomorrow"}, "Invalid int"),
        ({"automatic_tax": {"enabled": "maybe"}}, "Invalid bool"),
        ({"line_items": [{"price_data": {"unit_amount": 5}}]}, r"Missing required param: .*\[currency\]"),
        ({"line_items": "all"}, "Invalid array"),
        ({"line_items": []}, "Missing required param: line_items"),
        ({"line_items": [{"price": "price_nobody"}]}, "No such object"),
        ({"subscription_data": {"metadata": {}, "trial_period_days": 3}}, "can not pass"),
        ({"mode": "subscription"}, "does not fit"),
    ],
)
def test_a_request_that_stripe_would_refuse_is_refused(api: Any, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(library.InvalidRequestError, match=complaint):
        api.checkout.sessions.create(asked(price(api), **changes))


def test_a_key_is_forgotten_after_a_day(api: Any, stripe_process: FakeStripeProcess) -> None:
    first = api.products.create({"name": "Credits"}, {"idempotency_key": "one"})
    stripe_process.advance(days=1, seconds=1)
    assert api.products.create({"name": "Credits"}, {"idempotency_key": "one"}).id != first.id


def test_the_library_asks_again_and_nothing_is_made_twice(api: Any, stripe_process: FakeStripeProcess) -> None:
    stripe_process.fail("POST products", when="before")
    stripe_process.fail("POST products", when="after")
    api.products.create({"name": "Credits"})
    assert len(stripe_process.objects("product")) == 1
    assert stripe_process.requests().count("POST products") == 3


def test_a_session_is_paid_once_and_not_after_it_expired(api: Any, stripe_process: FakeStripeProcess) -> None:
    session = api.checkout.sessions.create(asked(price(api)))
    stripe_process.pay(session.id)
    with pytest.raises(OSError, match="400"):
        stripe_process.pay(session.id)
    other = api.checkout.sessions.create(asked(price(api)))
    stripe_process.advance(days=1, seconds=1)
    with pytest.raises(OSError, match="400"):
        stripe_process.pay(other.id)


def test_every_movement_of_money_leaves_an_entry_that_adds_up(api: Any, stripe_process: FakeStripeProcess) -> None:
    intent = paid(api, stripe_process)
    api.refunds.create({"payment_intent": intent, "amount": 300})
    stripe_process.close_dispute(stripe_process.dispute(intent)["id"], "won")
    entries = list(api.balance_transactions.list({"limit": 2, "expand": ["data.source"]}).auto_paging_iter())
    assert [(one.reporting_category, one.amount) for one in reversed(entries)] == [
        ("charge", 500),
        ("refund", -300),
        ("dispute", -200),
        ("dispute_reversal", 200),
    ]
    assert {one.source.payment_intent for one in entries} == {intent}
    assert all(one.net == one.amount - one.fee for one in entries)
    assert [one.amount for one in api.balance_transactions.list({"type": "refund"})] == [-300]
    with pytest.raises(library.InvalidRequestError, match="unknown parameter: colour"):
        api.balance_transactions.list({"colour": "red"})


def test_what_was_done_outlives_the_process(tmp_path: Path) -> None:
    for expected in (1, 2):
        with FakeStripeProcess(state=tmp_path / "stripe.json") as stripe:
            client: Any = library.StripeClient("sk_test_x", base_addresses={"api": stripe.url}).v1
            paid(client, stripe)
            assert len(stripe.objects("charge")) == expected
