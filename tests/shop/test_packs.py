"""Packs: what happens to an order on its way, and to its money, that only an imitation of Stripe can have happen.

How they are bought, refunded and disputed otherwise: test_packs_at_either_stripe.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from billing.shop import convergence, facts, ordering
from billing.shop.errors import StripeIsAway
from billing.shop.facts import Money
from billing.shop.models import Lock, Order, Payment
from loremotion.refusals import Conflict, Invalid
from tests.shop.shop_steps import BACK, ShopSteps, balance, pack_price, spend


def test_an_order_that_nobody_paid_brings_nothing(shop_steps: ShopSteps) -> None:
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    ordering.fulfil_if_paid(order)
    assert balance(account) == (0, 0, 0)
    shop_steps.stripe.advance(days=1, seconds=1)  # the pay page expires
    shop_steps.carry_all()
    order.refresh_from_db()
    assert order.state == Order.State.CLOSED
    with pytest.raises(Conflict, match="not paid"):
        ordering.pay_page(order, email="", back=BACK)


@pytest.mark.parametrize("answer", ["money_of", "of_session"])
def test_whose_lock_lapsed_during_the_last_answer_writes_nothing(
    shop_steps: ShopSteps, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    if answer == "money_of":
        shop_steps.pay(order)
    else:
        shop_steps.stripe.advance(days=1, seconds=1)  # the pay page expires
    read = getattr(facts, answer)

    def read_late(*said: Any, **more: Any) -> Any:
        answered = read(*said, **more)
        Lock.objects.update(holder=uuid4())  # another process took it meanwhile
        return answered

    monkeypatch.setattr(facts, answer, read_late)
    with pytest.raises(StripeIsAway):
        convergence.converge_order(order.id)
    order.refresh_from_db()
    assert order.state == Order.State.OPEN
    assert balance(account) == (0, 0, 0)


def test_a_bank_debit_brings_credits_when_its_money_comes(shop_steps: ShopSteps) -> None:
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    session = shop_steps.pay(order, is_slow=True)
    shop_steps.carry_all()
    assert balance(account) == (0, 0, 0)
    shop_steps.stripe.control("settle-slow", session_id=session["id"], is_paid=True)
    shop_steps.carry_all()
    assert balance(account) == (500, 0, 0)


def test_a_bank_debit_that_fails_closes_the_order(shop_steps: ShopSteps) -> None:
    order = shop_steps.order(uuid4(), pack_price())
    session = shop_steps.pay(order, is_slow=True)
    shop_steps.stripe.control("settle-slow", session_id=session["id"], is_paid=False)
    shop_steps.carry_all()
    order.refresh_from_db()
    assert order.state == Order.State.CLOSED
    assert not Payment.objects.filter(order=order).exists()


def test_a_form_is_of_no_use_to_another_workspace(shop_steps: ShopSteps) -> None:
    form = uuid4()
    ordering.order(order_id=form, workspace=uuid4(), price=pack_price(), actor="")
    with pytest.raises(Conflict, match="used for something else"):
        ordering.order(order_id=form, workspace=uuid4(), price=pack_price(), actor="")


def test_what_is_not_offered_cannot_be_ordered(shop_steps: ShopSteps) -> None:
    price = pack_price()
    price.is_offered = False
    price.save()
    with pytest.raises(Invalid, match="no longer offered"):
        ordering.order(order_id=uuid4(), workspace=uuid4(), price=price, actor="")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_lost_on_the_way_costs_nobody_anything(shop_steps: ShopSteps, when: str) -> None:
    for request in ("POST prices", "POST checkout/sessions"):
        shop_steps.stripe.fail(request, when=when)
    account = uuid4()
    shop_steps.buy(account)
    assert balance(account) == (500, 0, 0)
    assert len(shop_steps.stripe.objects("checkout.session")) == 1
    assert len(shop_steps.stripe.objects("price")) == 1


def test_while_stripe_is_away_nothing_is_bought_and_the_form_can_be_sent_again(shop_steps: ShopSteps) -> None:
    account = uuid4()
    order = ordering.order(order_id=uuid4(), workspace=account, price=pack_price(), actor="")
    for _ in range(3):  # as often as the library asks
        shop_steps.stripe.fail("POST checkout/sessions", when="before")
    with pytest.raises(StripeIsAway, match="responding") as refused:
        ordering.pay_page(order, email="", back=BACK)
    assert "Nothing was charged" not in refused.value.next_step  # who lost the answer does not know
    assert ordering.pay_page(order, email="", back=BACK).startswith(shop_steps.stripe.url)


def test_taxes_are_charged_and_a_full_refund_with_them_takes_everything(
    shop_steps: ShopSteps, settings: Settings
) -> None:
    settings.STRIPE_TAX = True
    account = uuid4()
    payment = shop_steps.buy(account)
    assert payment.amount_minor == 550
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 275)
    shop_steps.carry_all()
    assert balance(account) == (250, 0, 0)
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "")
    shop_steps.carry_all()
    assert balance(account) == (0, 0, 0)


# --- back with the money -----------------------------------------------------------------------------------------


def test_winning_a_dispute_restores_what_was_frozen_and_forgives_what_was_owed(shop_steps: ShopSteps) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    spend(account, 100)
    dispute = shop_steps.stripe.dispute(payment.stripe_payment_intent_id or "")
    shop_steps.carry_all()
    assert balance(account) == (0, 0, 100)
    shop_steps.stripe.close_dispute(dispute["id"], "won")
    shop_steps.carry_all()
    assert balance(account) == (400, 0, 0)
    payment.refresh_from_db()
    assert payment.dispute_status == "won"


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({"status": "appeal_under_review"}, 0),
        ({"status": "prevented"}, 0),
        ({"status": "prevented", "balance_transactions": []}, 500),
        ({"status": "warning_needs_response"}, 500),
        ({"status": "warning_closed"}, 500),
    ],
)
def test_credits_follow_the_money_of_a_dispute_and_not_its_name(
    shop_steps: ShopSteps, fields: dict[str, object], credits: int
) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    dispute = shop_steps.stripe.dispute(payment.stripe_payment_intent_id or "")
    shop_steps.stripe.control("rewrite", kind="dispute", object_id=dispute["id"], fields=fields)
    shop_steps.carry_all()
    assert balance(account) == (credits, 0, 0)


def test_the_share_of_credits_follows_the_money_and_favours_the_buyer() -> None:
    def taken(paid: int, refunded: int, disputed: int = 0) -> int:
        return convergence.credits_taken_back(500, Money("pi", paid, "usd", refunded, disputed))

    assert taken(999, 0) == 0
    assert taken(999, 999) == 500
    assert taken(999, 500) == 250
    assert taken(999, 1) == 0
    assert taken(999, 600, 600) == 500  # more cannot go back than came
    assert taken(0, 0) == 0  # a free checkout has nothing to give back
