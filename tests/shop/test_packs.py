"""Packs: from the order to the credits, and back with the money."""

from __future__ import annotations

from uuid import uuid4

import pytest
from pytest_django import Settings

from billing import ledger
from billing.shop import convergence, gateway, ordering
from billing.shop.facts import Money
from billing.shop.models import Customer, Order, Payment
from loremotion.refusals import Conflict, Invalid
from tests.shop.desk import BACK, Desk, balance, hold, lots, pack_price, plan_price, spend


def test_a_paid_pack_brings_its_credits_for_ever(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    assert balance(account) == (500, 0, 0)
    assert (payment.amount_minor, payment.currency, payment.credits) == (500, "usd", 500)
    assert payment.receipt_url
    [lot] = ledger.lots(account=account)
    assert (lot.kind, lot.expires_at, lot.reference) == ("pack", None, payment.source)


def test_an_order_that_nobody_paid_brings_nothing(desk: Desk) -> None:
    account = uuid4()
    order = desk.order(account, pack_price())
    ordering.fulfil_if_paid(order)
    assert balance(account) == (0, 0, 0)
    desk.stripe.advance(days=1, seconds=1)  # the pay page expires
    desk.carry_all()
    order.refresh_from_db()
    assert order.state == Order.State.CLOSED
    with pytest.raises(Conflict, match="not paid"):
        ordering.pay_page(order, email="", back=BACK)


def test_the_page_that_people_come_back_to_brings_the_credits_without_any_webhook(desk: Desk) -> None:
    account = uuid4()
    order = desk.order(account, pack_price())
    desk.pay(order)
    ordering.fulfil_if_paid(order)
    ordering.fulfil_if_paid(order)
    assert balance(account) == (500, 0, 0)
    desk.carry_all()  # and the webhook that comes after it changes nothing
    assert balance(account) == (500, 0, 0)


def test_a_bank_debit_brings_credits_when_its_money_comes(desk: Desk) -> None:
    account = uuid4()
    order = desk.order(account, pack_price())
    session = desk.pay(order, is_slow=True)
    desk.carry_all()
    assert balance(account) == (0, 0, 0)
    desk.stripe.control("settle-slow", session_id=session["id"], is_paid=True)
    desk.carry_all()
    assert balance(account) == (500, 0, 0)


def test_a_bank_debit_that_fails_closes_the_order(desk: Desk) -> None:
    order = desk.order(uuid4(), pack_price())
    session = desk.pay(order, is_slow=True)
    desk.stripe.control("settle-slow", session_id=session["id"], is_paid=False)
    desk.carry_all()
    order.refresh_from_db()
    assert order.state == Order.State.CLOSED
    assert not Payment.objects.filter(order=order).exists()


def test_the_same_form_sent_twice_is_one_order_and_one_pay_page(desk: Desk) -> None:
    account, form = uuid4(), uuid4()
    pages = set()
    for _ in range(2):
        order = ordering.order(order_id=form, workspace=account, price=pack_price(), actor="buyer@site.test")
        pages.add(ordering.pay_page(order, email="buyer@site.test", back=BACK))
    assert len(pages) == 1
    assert Order.objects.filter(workspace=account).count() == 1
    assert len(desk.stripe.objects("checkout.session")) == 1


def test_a_form_is_of_no_use_to_another_workspace(desk: Desk) -> None:
    form = uuid4()
    ordering.order(order_id=form, workspace=uuid4(), price=pack_price(), actor="")
    with pytest.raises(Conflict, match="used for something else"):
        ordering.order(order_id=form, workspace=uuid4(), price=pack_price(), actor="")


def test_what_is_not_offered_cannot_be_ordered(desk: Desk) -> None:
    price = pack_price()
    price.is_offered = False
    price.save()
    with pytest.raises(Invalid, match="not offered"):
        ordering.order(order_id=uuid4(), workspace=uuid4(), price=price, actor="")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_lost_on_the_way_costs_nobody_anything(desk: Desk, when: str) -> None:
    for request in ("POST prices", "POST checkout/sessions"):
        desk.stripe.fail(request, when=when)
    account = uuid4()
    desk.buy(account)
    assert balance(account) == (500, 0, 0)
    assert len(desk.stripe.objects("checkout.session")) == 1
    assert len(desk.stripe.objects("price")) == 1


def test_while_stripe_is_away_nothing_is_bought_and_the_form_can_be_sent_again(desk: Desk) -> None:
    account = uuid4()
    order = ordering.order(order_id=uuid4(), workspace=account, price=pack_price(), actor="")
    for _ in range(3):  # as often as the library asks
        desk.stripe.fail("POST checkout/sessions", when="before")
    with pytest.raises(gateway.StripeIsAway, match="Nothing was charged"):
        ordering.pay_page(order, email="", back=BACK)
    assert ordering.pay_page(order, email="", back=BACK).startswith(desk.stripe.url)


def test_what_was_ordered_is_what_comes_whatever_staff_changes_meanwhile(desk: Desk) -> None:
    account = uuid4()
    price = pack_price()
    order = desk.order(account, price)
    desk.pay(order)
    assert price.pack is not None
    price.pack.credits = 1
    price.pack.save()
    desk.carry_all()
    assert balance(account) == (500, 0, 0)


def test_taxes_are_charged_and_a_full_refund_with_them_takes_everything(desk: Desk, settings: Settings) -> None:
    settings.STRIPE_TAX = True
    account = uuid4()
    payment = desk.buy(account)
    assert payment.amount_minor == 550
    desk.stripe.refund(payment.stripe_payment_intent_id or "", 275)
    desk.carry_all()
    assert balance(account) == (250, 0, 0)
    desk.stripe.refund(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 0, 0)


# --- back with the money -----------------------------------------------------------------------------------------


def test_a_refund_takes_credits_in_proportion(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    desk.stripe.refund(payment.stripe_payment_intent_id or "", 199)
    desk.carry_all()
    assert balance(account) == (500 - 199, 0, 0)
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.clawed_credits) == (199, 199)


def test_a_refund_of_spent_credits_becomes_a_debt_that_the_next_pack_pays(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    spend(account, 450)
    desk.stripe.refund(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 0, 450)
    desk.buy(account, pack_price(2_200))
    assert balance(account) == (2_200 - 450, 0, 0)


def test_a_refund_that_failed_gives_the_credits_back(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    refund = desk.stripe.refund(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 0, 0)
    desk.stripe.control("fail-refund", refund_id=refund["id"])
    desk.carry_all()
    assert balance(account) == (500, 0, 0)


def test_a_dispute_freezes_and_losing_it_voids(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    dispute = desk.stripe.dispute(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 0, 0)
    desk.stripe.close_dispute(dispute["id"], "lost")
    desk.carry_all()
    assert balance(account) == (0, 0, 0)
    assert lots(account) == [("pack", 500, 0, 500)]


def test_winning_a_dispute_restores_what_was_frozen_and_forgives_what_was_owed(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    spend(account, 100)
    dispute = desk.stripe.dispute(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 0, 100)
    desk.stripe.close_dispute(dispute["id"], "won")
    desk.carry_all()
    assert balance(account) == (400, 0, 0)
    payment.refresh_from_db()
    assert payment.dispute_status == "won"


def test_a_refund_while_a_clip_is_made_leaves_the_clip_and_takes_the_rest(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    clip = hold(account, 200)
    desk.stripe.refund(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 200, 200)
    ledger.release(reference=clip)
    assert balance(account) == (0, 0, 0)


def test_the_share_of_credits_follows_the_money_and_favours_the_buyer() -> None:
    def taken(paid: int, refunded: int, disputed: int = 0) -> int:
        return convergence.credits_taken_back(500, Money("pi", paid, "usd", refunded, disputed))

    assert taken(999, 0) == 0
    assert taken(999, 999) == 500
    assert taken(999, 500) == 250
    assert taken(999, 1) == 0
    assert taken(999, 600, 600) == 500  # more cannot go back than came
    assert taken(0, 0) == 0  # a free checkout has nothing to give back


def test_a_pack_makes_no_customer_of_a_workspace_and_a_plan_makes_one(desk: Desk) -> None:
    account = uuid4()
    desk.buy(account)
    assert not Customer.objects.filter(workspace=account).exists()
    desk.order(account, plan_price("creator"))
    assert Customer.objects.filter(workspace=account).count() == 1


def test_a_purse_that_was_merged_meanwhile_passes_a_late_payment_on(desk: Desk) -> None:
    visitor, member = uuid4(), uuid4()
    order = desk.order(visitor, pack_price())
    ledger.merge(source=visitor, into=member, reference=f"merge:{visitor}")
    desk.pay(order)
    desk.carry_all()
    assert balance(member) == (500, 0, 0)
    payment = Payment.objects.get(order=order)
    desk.stripe.refund(payment.stripe_payment_intent_id or "", 100)
    desk.carry_all()
    assert balance(member) == (400, 0, 0)
