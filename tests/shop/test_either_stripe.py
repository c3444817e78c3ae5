"""What can be driven through Stripe's API alone, against the imitation and, with STRIPE_TEST_KEY, against test mode.

    STRIPE_TEST_KEY=sk_test_… python -m pytest tests/shop/test_either_stripe.py

The same requests go to both, so what passes against the imitation and fails in test mode is the imitation's fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings

from billing import ledger
from billing.plans import entitlements
from billing.shop import convergence, gateway, ordering, reconcile, refunds, subscribing
from billing.shop.models import Order, Payment, Price, Subscription
from billing.shop.subscribing import Change
from tests.shop import teller as tellers
from tests.shop.desk import BACK, balance, pack_price, plan_price
from tests.shop.teller import FAILING_CARD, Teller

A_MONTH = timedelta(days=31, hours=2)


@pytest.fixture(params=["imitation", "test mode"])
def teller(request: pytest.FixtureRequest, db: None, settings: Settings) -> Iterator[Teller]:
    if request.param == "imitation":
        counter = tellers.imitation(request.getfixturevalue("stripe_process"))
    else:
        counter = tellers.test_mode()
    yield Teller(counter, settings)
    assert ledger.violations(limit=5) == []


def subscribed(teller: Teller, plan: str = "creator") -> tuple[UUID, Subscription, str]:
    """A workspace with a paid plan, its row here, and its customer there."""
    account = uuid4()
    customer = teller.payer(account)
    subscription = teller.subscribe(account, plan_price(plan), customer=customer)
    teller.tell_until(lambda: Payment.objects.filter(workspace=account).exists())
    return account, Subscription.objects.get(stripe_subscription_id=subscription), customer


def change(account: UUID, plan: str) -> Change:
    return subscribing.change(workspace=account, price=plan_price(plan), attempt=uuid4())


def test_a_paid_invoice_brings_a_period_s_credits_and_its_papers(teller: Teller) -> None:
    account, subscription, _ = subscribed(teller)
    assert balance(account) == (1_500, 0, 0)
    assert subscription.status == "active"
    assert subscription.period_end - subscription.period_start > timedelta(days=27)
    payment = Payment.objects.get(workspace=account)
    assert (payment.amount_minor, payment.currency) == (1_200, "usd")
    assert payment.stripe_payment_intent_id
    assert payment.receipt_url.startswith("http")
    assert payment.invoice_url.startswith("http")


def test_a_renewal_brings_another_period(teller: Teller) -> None:
    account, _, _ = subscribed(teller)
    teller.advance(A_MONTH)
    teller.tell_until(lambda: Payment.objects.filter(workspace=account).count() == 2)
    assert sorted(Payment.objects.filter(workspace=account).values_list("credits", flat=True)) == [1_500, 1_500]


def test_a_renewal_that_is_declined_brings_nothing_and_is_known_as_late(teller: Teller) -> None:
    account, subscription, customer = subscribed(teller)
    teller.use_card(customer, FAILING_CARD)
    teller.advance(A_MONTH)

    def is_late() -> bool:
        subscription.refresh_from_db()
        return subscription.status == "past_due" and subscription.failed_attempts > 0

    teller.tell_until(is_late)
    assert Payment.objects.filter(workspace=account).count() == 1
    assert entitlements(account).plan == "creator"  # the grace


def test_a_refund_goes_back_with_its_share_of_the_credits(teller: Teller) -> None:
    account, _, _ = subscribed(teller)
    payment = Payment.objects.get(workspace=account)
    seen = refunds.preview(payment, 600)
    assert (seen.credits, seen.from_lots, seen.becomes_debt) == (750, 750, 0)
    for _ in range(2):  # the form sent twice
        refunds.refund(
            payment, amount_minor=600, after_refunds=seen.after_refunds, actor="staff", reason="asked for it"
        )
    assert balance(account) == (750, 0, 0)
    assert refunds.count_refunds(payment) == 1


def test_an_upgrade_is_paid_at_once_and_a_downgrade_waits(teller: Teller) -> None:
    account, subscription, _ = subscribed(teller)
    assert change(account, "studio") is Change.NOW
    teller.tell_until(lambda: Payment.objects.filter(workspace=account).count() == 2)
    assert balance(account) == (1_500 + 5_500, 0, 0)
    assert entitlements(account).plan == "studio"
    assert change(account, "creator") is Change.LATER
    subscription.refresh_from_db()
    assert (subscription.price, subscription.next_price) == (plan_price("studio"), plan_price("creator"))
    subscribing.keep(workspace=account)
    subscription.refresh_from_db()
    assert subscription.next_price is None


def test_a_cancelled_plan_lasts_to_its_period_s_end(teller: Teller) -> None:
    account, subscription, _ = subscribed(teller)
    subscribing.set_cancelled(workspace=account, is_cancelled=True)
    subscription.refresh_from_db()
    assert subscription.ends_at == subscription.period_end
    assert subscribing.portal(workspace=account, back=BACK).startswith("http")
    teller.advance(A_MONTH)

    def is_over() -> bool:
        subscription.refresh_from_db()
        return subscription.status == "canceled"

    teller.tell_until(is_over)
    assert balance(account) == (1_500, 0, 0)


def test_a_pay_page_is_opened_once_and_closes_its_order_when_it_is_shut(teller: Teller) -> None:
    order = ordering.order(order_id=uuid4(), workspace=uuid4(), price=pack_price(), actor="")
    pages = {ordering.pay_page(order, email="buyer@example.com", back=BACK) for _ in range(2)}
    assert len(pages) == 1
    order.refresh_from_db()
    convergence.converge_order(order.id)
    assert Order.objects.get(id=order.id).state == Order.State.OPEN
    gateway.expire_session(order.stripe_session_id or "")
    teller.tell_until(lambda: Order.objects.get(id=order.id).state == Order.State.CLOSED)


def test_the_books_and_the_account_s_statement_agree(teller: Teller) -> None:
    account, _, _ = subscribed(teller)
    payment = Payment.objects.get(workspace=account)
    refunds.refund(payment, amount_minor=100, after_refunds=0, actor="staff", reason="asked for it")
    Payment.objects.filter(id=payment.id).update(paid_at=teller.began_at - timedelta(hours=2))
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert not comparison.mismatches.filter(subject=payment.source).exists()
    rows = {row["side"]: (row["charged"], row["refunded"]) for row in comparison.balance["rows"]}
    assert rows == {"stripe": (1_200, 100), "ours": (1_200, 100)}


def test_a_price_is_told_of_once(teller: Teller) -> None:
    price = plan_price("creator")
    told = gateway.stripe_price_of(price)
    Price.objects.filter(pk=price.pk).update(stripe_price_id=None)  # the answer was lost
    price.refresh_from_db()
    assert gateway.stripe_price_of(price) == told
