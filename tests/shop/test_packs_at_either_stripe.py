"""Packs, from the order to the credits and back with the money, at the imitation and in Stripe's test mode."""

from __future__ import annotations

from uuid import uuid4

import pytest
import stripe as library

from billing import ledger
from billing.shop import convergence, gateway, inbox, ordering, reconcile, refunds
from billing.shop.models import Customer, Order, Payment
from loremotion.refusals import Conflict
from tests.fake_stripe.webhooks import signed
from tests.shop.shop_steps import BACK, balance, hold, lots, open_order, pack_price, plan_price, spend
from tests.shop.stripe_driver import DECLINED, DISPUTED, REFUND_FAILS, StripeDriver


def test_a_paid_pack_brings_its_credits_for_ever_and_its_papers(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price())
    assert balance(account) == (500, 0, 0)
    assert (payment.amount_minor, payment.currency, payment.credits) == (500, "usd", 500)
    assert payment.receipt_url.startswith("http")
    assert payment.invoice_url.startswith("http")
    [lot] = ledger.lots(account=account)
    assert (lot.kind, lot.expires_at, lot.reference) == ("pack", None, payment.source)


def test_a_pack_is_paid_in_the_currency_it_was_ordered_in(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    price = pack_price(currency="eur")
    payment = stripe_driver.buy(account, price)
    assert (payment.amount_minor, payment.currency) == (price.amount_minor, "eur")
    assert balance(account) == (500, 0, 0)


def test_a_card_that_is_declined_brings_nothing_and_another_one_can_be_tried(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    order = open_order(account, pack_price())
    with pytest.raises(library.CardError):
        stripe_driver.pay(order, card=DECLINED)
    convergence.converge_order(order.id)
    assert balance(account) == (0, 0, 0)
    assert Order.objects.get(id=order.id).state == Order.State.OPEN
    stripe_driver.pay(order)
    stripe_driver.tell_until(lambda: balance(account) == (500, 0, 0))


def test_the_page_that_people_come_back_to_brings_the_credits_and_the_events_after_it_change_nothing(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    order = open_order(account, pack_price())
    ordering.fulfil_if_paid(order)  # nobody has paid
    assert balance(account) == (0, 0, 0)
    stripe_driver.pay(order)
    for _ in range(2):
        ordering.fulfil_if_paid(order)
    assert balance(account) == (500, 0, 0)
    [event] = [one for one in stripe_driver.happened("checkout.session.completed") if one.type.startswith("checkout")]
    assert inbox.receive(*signed(event.to_dict(), "whsec_of_the_test"))
    assert not inbox.receive(*signed(event.to_dict(), "whsec_of_the_test", is_thin=True))  # the same, told otherwise
    assert inbox.work_on(event.id)
    assert balance(account) == (500, 0, 0)


def test_the_same_form_sent_twice_is_one_pay_page_and_closing_it_closes_the_order(stripe_driver: StripeDriver) -> None:
    account, form = uuid4(), uuid4()
    pages = set()
    for _ in range(2):
        order = ordering.order(order_id=form, workspace=account, price=pack_price(), actor="buyer@site.test")
        pages.add(ordering.pay_page(order, email="buyer@example.com", back=BACK))
    assert len(pages) == 1
    order.refresh_from_db()
    convergence.converge_order(order.id)
    assert Order.objects.get(id=order.id).state == Order.State.OPEN
    gateway.expire_session(order.stripe_session_id or "")
    gateway.expire_session(order.stripe_session_id or "")  # shut already: no matter
    stripe_driver.tell_until(lambda: Order.objects.get(id=order.id).state == Order.State.CLOSED)


def test_what_was_ordered_is_what_comes_whatever_staff_changes_meanwhile(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    price = pack_price()
    order = open_order(account, price)
    stripe_driver.pay(order)
    assert price.pack is not None
    price.pack.credits = 1
    price.pack.save()
    stripe_driver.tell_until(lambda: balance(account) == (500, 0, 0))


def test_a_pack_makes_no_customer_of_a_workspace_and_a_plan_makes_one(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    stripe_driver.buy(account, pack_price())
    assert not Customer.objects.filter(workspace=account).exists()
    open_order(account, plan_price("creator"))
    assert Customer.objects.filter(workspace=account).count() == 1


def test_an_account_that_was_merged_meanwhile_passes_a_late_payment_on(stripe_driver: StripeDriver) -> None:
    visitor, member = uuid4(), uuid4()
    order = open_order(visitor, pack_price())
    ledger.merge(source=visitor, into=member, reference=f"merge:{visitor}")
    stripe_driver.pay(order)
    stripe_driver.tell_until(lambda: balance(member) == (500, 0, 0))
    stripe_driver.refund(Payment.objects.get(order=order), 100)
    stripe_driver.tell_until(lambda: balance(member) == (400, 0, 0))


# --- back with the money -----------------------------------------------------------------------------------------


def test_a_refund_takes_credits_in_proportion(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price())
    stripe_driver.refund(payment, 199)
    stripe_driver.tell_until(lambda: balance(account) == (500 - 199, 0, 0))
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.clawed_credits) == (199, 199)


def test_a_refund_of_spent_credits_becomes_a_debt_that_the_next_pack_pays(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price())
    spend(account, 450)
    stripe_driver.refund(payment)
    stripe_driver.tell_until(lambda: balance(account) == (0, 0, 450))
    stripe_driver.buy(account, pack_price(2_200))
    assert balance(account) == (2_200 - 450, 0, 0)


def test_a_refund_while_a_clip_is_made_leaves_the_clip_and_takes_the_rest(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price())
    clip = hold(account, 200)
    stripe_driver.refund(payment)
    stripe_driver.tell_until(lambda: balance(account) == (0, 200, 200))
    ledger.release(reference=clip)
    assert balance(account) == (0, 0, 0)


def test_a_refund_that_comes_back_brings_the_credits_back(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price(), card=REFUND_FAILS)
    stripe_driver.refund(payment)
    stripe_driver.happened("refund.failed")
    stripe_driver.tell_until(lambda: balance(account) == (500, 0, 0))
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.clawed_credits) == (0, 0)


def refund_as_seen(payment: Payment, seen: refunds.Preview, amount_minor: int) -> None:
    refunds.refund(
        payment,
        amount_minor=amount_minor,
        attempt=seen.attempt,
        after_refunds=seen.after_refunds,
        actor="staff",
        reason="asked for it",
    )


def test_staff_sees_what_a_refund_does_and_sends_it_once(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price())
    spend(account, 400)
    seen = refunds.preview(payment, 250)
    assert (seen.refundable_minor, seen.credits, seen.from_lots, seen.becomes_debt) == (500, 250, 100, 150)
    for _ in range(2):  # the form sent twice
        refund_as_seen(payment, seen, 250)
    assert balance(account) == (0, 0, 150)
    assert refunds.count_refunds(payment) == 1


def test_a_refund_that_stripe_refused_can_be_put_right_at_once(stripe_driver: StripeDriver) -> None:
    payment = stripe_driver.buy(uuid4(), pack_price())
    with pytest.raises(Conflict, match="greater than"):
        refund_as_seen(payment, refunds.preview(payment, 600), 600)
    refund_as_seen(payment, refunds.preview(payment, 60), 60)
    payment.refresh_from_db()
    assert payment.refunded_minor == 60


def test_two_people_do_not_both_refund_on_the_same_sight(stripe_driver: StripeDriver) -> None:
    payment = stripe_driver.buy(uuid4(), pack_price())
    mine, another_s = refunds.preview(payment, 200), refunds.preview(payment, 200)
    refund_as_seen(payment, mine, 200)
    with pytest.raises(Conflict, match="meanwhile"):
        refund_as_seen(payment, another_s, 200)
    payment.refresh_from_db()
    assert payment.refunded_minor == 200


def test_a_dispute_takes_the_credits_and_losing_it_keeps_them_away(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price(), card=DISPUTED)
    dispute = stripe_driver.dispute_of(payment)
    stripe_driver.tell_until(lambda: balance(account) == (0, 0, 0))
    stripe_driver.lose(dispute)

    def is_lost() -> bool:
        payment.refresh_from_db()
        return payment.dispute_status == "lost"

    stripe_driver.tell_until(is_lost)
    assert lots(account) == [("pack", 500, 0, 500)]


def test_winning_a_dispute_brings_the_credits_back(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price(), card=DISPUTED)
    dispute = stripe_driver.dispute_of(payment)
    stripe_driver.tell_until(lambda: balance(account) == (0, 0, 0))
    stripe_driver.win(dispute)
    stripe_driver.tell_until(lambda: balance(account) == (500, 0, 0))
    payment.refresh_from_db()
    assert (payment.dispute_status, payment.disputed_minor) == ("won", 0)


# --- told in another order, and not at all -----------------------------------------------------------------------


def test_events_told_backwards_and_again_lead_to_the_same_end(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    order = open_order(account, pack_price())
    stripe_driver.pay(order)
    ordering.fulfil_if_paid(order)
    payment = Payment.objects.get(order=order)
    stripe_driver.refund(payment, 100)
    stripe_driver.refund(payment, 50)
    told = stripe_driver.happened("checkout.session.completed", "charge.refunded", "refund.created")
    for event in [*reversed(told), *told]:
        inbox.follow(event.type, event.data.object["id"])
    assert balance(account) == (350, 0, 0)


@pytest.mark.parametrize("what", ["payment", "refund"])
def test_what_nobody_told_us_is_found_by_comparing_the_books(stripe_driver: StripeDriver, what: str) -> None:
    account = uuid4()
    order = open_order(account, pack_price())
    stripe_driver.pay(order)
    if what == "refund":
        ordering.fulfil_if_paid(order)
        stripe_driver.refund(Payment.objects.get(order=order), 200)
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert [one.is_mended for one in comparison.mismatches.filter(subject=f"order:{order.id}")] == [True]
    assert balance(account) == (300 if what == "refund" else 500, 0, 0)


def test_credits_that_were_taken_back_without_reason_come_back(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    payment = stripe_driver.buy(account, pack_price())
    ledger.clawback(reference=payment.source, target=300, actor="somebody", reason="by mistake")
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert [one.is_mended for one in comparison.mismatches.filter(subject=payment.source)] == [True]
    assert balance(account) == (500, 0, 0)
