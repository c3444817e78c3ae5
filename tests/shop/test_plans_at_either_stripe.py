"""Plans over time, at the imitation and in Stripe's test mode: periods, late payments, changes, ends."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from billing import ledger
from billing.plans import entitlements
from billing.shop import balance as statement
from billing.shop import convergence, gateway, lookups, ordering, reconcile, subscribing
from billing.shop.models import Order, Payment, Plan, Subscription
from billing.shop.subscribing import Change
from loremotion.refusals import Conflict
from tests.shop.shop_steps import BACK, balance, change, granted, open_order, plan_price, spend
from tests.shop.stripe_driver import DECLINED_ONCE_KEPT, WORKING, StripeDriver

A_MONTH = timedelta(days=31, hours=2)


def status_is(subscription: Subscription, wanted: str) -> bool:
    subscription.refresh_from_db()
    return subscription.status == wanted


# --- periods -----------------------------------------------------------------------------------------------------


def test_a_plan_bought_in_checkout_brings_its_credits_what_rolls_over_and_its_papers(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    customer = stripe_driver.payer(account)
    order = open_order(account, plan_price("creator"))
    stripe_driver.pay(order)
    stripe_driver.tell_until(lambda: Payment.objects.filter(workspace=account).exists())
    subscription = Subscription.objects.get(workspace=account)
    assert subscription.status == "active"
    assert balance(account) == (1_500, 0, 0)
    month, rest = ledger.lots(account=account)  # in the order in which they are spent
    assert (month.issued, rest.issued) == (1_000, 500)
    assert month.expires_at == subscription.period_end + timedelta(days=1)
    assert rest.expires_at is not None
    assert rest.expires_at - month.expires_at == timedelta(days=31)
    assert entitlements(account).plan == "creator"
    assert Order.objects.get(workspace=account).state == Order.State.PAID
    payment = Payment.objects.get(workspace=account)
    assert (payment.amount_minor, payment.currency) == (1_200, "usd")
    assert payment.receipt_url.startswith("http")
    assert payment.invoice_url.startswith("http")
    assert gateway.id_of(lookups.subscription(subscription.stripe_subscription_id).customer) == customer
    stripe_driver.advance(A_MONTH)  # the card of the pay page pays again
    stripe_driver.tell_until(lambda: granted(account) == [1_500, 1_500])


def test_each_paid_period_brings_credits_once_and_by_the_plan_as_it_is_then(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    stripe_driver.subscribe(account)
    Plan.objects.filter(slug="creator").update(monthly_credits=2_000)
    stripe_driver.advance(A_MONTH)
    stripe_driver.tell_until(lambda: len(granted(account)) == 2)
    stripe_driver.advance(A_MONTH)
    stripe_driver.tell_until(lambda: len(granted(account)) == 3)
    assert granted(account) == [1_500, 2_000, 2_000]


def test_a_year_brings_all_its_credits_at_once(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account, "creator", "year")
    assert balance(account) == (18_000, 0, 0)
    assert subscription.period_end - subscription.period_start > timedelta(days=364)


def test_a_subscription_that_is_not_paid_yet_grants_nothing_until_it_is(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    customer = stripe_driver.payer(account)
    name = stripe_driver.begin(account, plan_price("creator"), customer=customer, is_paid=False)
    convergence.converge_subscription(name)
    subscription = Subscription.objects.get(workspace=account)
    assert subscription.status == "incomplete"
    assert balance(account) == (0, 0, 0)
    assert entitlements(account).plan == "free"
    stripe_driver.pay_open_invoice(subscription, method=stripe_driver.use_card(subscription, WORKING))
    stripe_driver.tell_until(lambda: granted(account) == [1_500])
    assert entitlements(account).plan == "creator"


def test_a_refunded_period_gives_back_the_longest_lasting_credits_first(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    stripe_driver.subscribe(account)
    payment = Payment.objects.get(workspace=account)
    stripe_driver.refund(payment, 600)  # half
    stripe_driver.tell_until(lambda: balance(account) == (750, 0, 0))
    assert [(lot.issued, lot.clawed) for lot in ledger.lots(account=account)] == [(1_000, 250)]
    stripe_driver.refund(payment)
    stripe_driver.tell_until(lambda: balance(account) == (0, 0, 0))


def test_the_books_and_the_account_s_statement_agree(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    stripe_driver.subscribe(account)
    payment = Payment.objects.get(workspace=account)
    stripe_driver.refund(payment, 100)
    stripe_driver.tell_until(lambda: Payment.objects.filter(id=payment.id, refunded_minor=100).exists())
    Payment.objects.filter(id=payment.id).update(paid_at=stripe_driver.began_at - timedelta(hours=2))
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert not comparison.mismatches.filter(subject=payment.source).exists()
    read = statement.read(stripe_driver.began_at - timedelta(hours=1))
    assert statement.agrees(read, payment.source)
    said = read.payments[payment.stripe_payment_intent_id or ""]
    assert (said.charged, said.refunded, said.disputed) == (1_200, 100, 0)


# --- payments that fail ------------------------------------------------------------------------------------------


def test_a_renewal_that_is_declined_brings_nothing_until_it_is_paid_with_another_card(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account, "studio")
    stripe_driver.use_card(subscription, DECLINED_ONCE_KEPT)
    stripe_driver.advance(A_MONTH)
    stripe_driver.tell_until(lambda: status_is(subscription, "past_due") and subscription.failed_attempts > 0)
    assert granted(account) == [5_500]
    assert entitlements(account).plan == "studio"  # the grace
    with pytest.raises(Conflict, match="last payment failed"):
        change(account, "creator")
    stripe_driver.pay_open_invoice(subscription, method=stripe_driver.use_card(subscription, WORKING))
    stripe_driver.tell_until(lambda: granted(account) == [5_500, 5_500])
    assert status_is(subscription, "active")
    assert (subscription.failed_attempts, subscription.past_due_since) == (0, None)


# --- changing ----------------------------------------------------------------------------------------------------


def test_an_upgrade_begins_a_full_period_at_once_keeps_what_was_left_and_is_paid_once(
    stripe_driver: StripeDriver,
) -> None:
    account, attempt = uuid4(), uuid4()
    stripe_driver.subscribe(account)
    spend(account, 400)
    stripe_driver.advance(timedelta(days=10))
    for _ in range(2):  # the form sent twice
        change(account, "studio", attempt=attempt)
    stripe_driver.tell_until(lambda: len(granted(account)) == 2)
    assert entitlements(account).plan == "studio"
    assert granted(account) == [1_500, 5_500]
    assert balance(account) == (1_100 + 5_500, 0, 0)
    stripe_driver.advance(timedelta(days=25))  # the old period's end passes without a renewal
    stripe_driver.advance(timedelta(days=7))  # and the new one's comes
    stripe_driver.tell_until(lambda: len(granted(account)) == 3)
    assert granted(account) == [1_500, 5_500, 5_500]


def test_an_upgrade_that_is_declined_changes_nothing_until_it_is_paid_with_another_card(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account)
    stripe_driver.use_card(subscription, DECLINED_ONCE_KEPT)
    with pytest.raises(subscribing.PaymentDeclined, match="changed"):
        change(account, "studio")
    assert entitlements(account).plan == "creator"
    assert granted(account) == [1_500]
    customer_s = stripe_driver.api.payment_methods.attach("pm_card_visa", {"customer": customer_of(subscription)})
    stripe_driver.pay_open_invoice(subscription, method=customer_s.id)
    stripe_driver.tell_until(lambda: granted(account) == [1_500, 5_500])
    assert entitlements(account).plan == "studio"


def customer_of(subscription: Subscription) -> str | None:
    return gateway.id_of(lookups.subscription(subscription.stripe_subscription_id).customer)


@pytest.mark.parametrize(
    ("before", "interval", "after", "lasts"),
    [("studio", "month", "creator", A_MONTH), ("creator", "year", "studio", timedelta(days=366, hours=2))],
)
def test_a_downgrade_or_a_shorter_period_waits_for_the_period_s_end(
    stripe_driver: StripeDriver, before: str, interval: str, after: str, lasts: timedelta
) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account, before, interval)
    assert change(account, after) is Change.LATER
    subscription.refresh_from_db()
    assert entitlements(account).plan == before
    assert subscription.next_price == plan_price(after)
    stripe_driver.advance(lasts)
    stripe_driver.tell_until(lambda: len(granted(account)) == 2)
    present = Subscription.objects.get(workspace=account)
    assert (present.plan.slug, present.next_price) == (after, None)
    assert granted(account)[1] == plan_price(after).credits


def test_a_downgrade_can_be_taken_back_and_an_upgrade_overrules_it(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account, "studio")
    change(account, "creator")
    subscribing.keep(workspace=account)
    subscription.refresh_from_db()
    assert subscription.next_price is None
    change(account, "creator")
    assert change(account, "house") is Change.NOW
    stripe_driver.tell_until(lambda: len(granted(account)) == 2)
    subscription.refresh_from_db()
    assert (subscription.plan.slug, subscription.next_price) == ("house", None)


def test_an_upgrade_on_the_last_day_and_the_renewal_do_not_both_happen(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account)
    stripe_driver.advance(subscription.period_end - stripe_driver.began_at - timedelta(hours=3))
    change(account, "studio")
    stripe_driver.advance(timedelta(days=3))
    stripe_driver.tell_until(lambda: len(granted(account)) == 2)
    assert granted(account) == [1_500, 5_500]


# --- ending ------------------------------------------------------------------------------------------------------


def test_a_cancelled_plan_lasts_to_the_end_of_what_is_paid_and_can_be_kept(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account, "studio")
    subscribing.set_cancelled(workspace=account, is_cancelled=True)
    subscription.refresh_from_db()
    assert subscription.ends_at == subscription.period_end
    assert entitlements(account).plan == "studio"
    with pytest.raises(Conflict, match="cancelled"):
        change(account, "house")
    subscribing.set_cancelled(workspace=account, is_cancelled=False)
    subscription.refresh_from_db()
    assert subscription.ends_at is None
    subscribing.set_cancelled(workspace=account, is_cancelled=True)
    stripe_driver.advance(A_MONTH)
    stripe_driver.tell_until(lambda: status_is(subscription, "canceled"))
    assert entitlements(account).plan == "free"
    assert granted(account) == [5_500]


def test_a_workspace_that_closes_lets_its_plan_end_with_the_period_also_when_it_was_to_change(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account, "studio")
    change(account, "creator")
    subscribing.end_all(account)
    subscription.refresh_from_db()
    assert (subscription.ends_at, subscription.next_price) == (subscription.period_end, None)


# --- the rest ----------------------------------------------------------------------------------------------------


def test_the_portal_belongs_to_the_customer_and_its_configuration_is_made_once(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    with pytest.raises(Conflict, match="no invoices"):
        subscribing.portal(workspace=account, back=BACK)
    stripe_driver.payer(account)
    pages = {subscribing.portal(workspace=account, back=BACK) for _ in range(2)}
    assert len(pages) == 2
    assert all(page.startswith("http") for page in pages)
    known = stripe_driver.api.billing_portal.configurations.list({"active": True, "limit": 100}).auto_paging_iter()
    assert [one.metadata.to_dict().get("purpose") for one in known].count(gateway.PORTAL_PURPOSE) == 1


def test_of_two_pay_pages_for_a_plan_the_first_is_shut_and_a_plan_is_not_bought_twice(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    stripe_driver.payer(account)
    first = open_order(account, plan_price("creator"))
    second = open_order(account, plan_price("studio"))
    stripe_driver.tell_until(lambda: Order.objects.get(id=first.id).state == Order.State.CLOSED)
    stripe_driver.pay(second)
    stripe_driver.tell_until(lambda: granted(account) == [5_500])
    with pytest.raises(Conflict, match="already has a plan"):
        ordering.order(order_id=uuid4(), workspace=account, price=plan_price("house"), actor="")


def test_whoever_has_just_paid_for_a_plan_is_shown_no_page_for_another(stripe_driver: StripeDriver) -> None:
    """The site has not heard of the payment, and asks as soon as the first page can no longer be shut."""
    account = uuid4()
    stripe_driver.payer(account)
    paid = open_order(account, plan_price("creator"))
    other = ordering.order(order_id=uuid4(), workspace=account, price=plan_price("studio"), actor="")
    stripe_driver.pay(paid)
    with pytest.raises(Conflict, match="already has a plan"):
        ordering.pay_page(other, email="buyer@example.com", back=BACK)
    assert granted(account) == [1_500]
    assert Subscription.objects.of(account).ongoing().count() == 1
    other.refresh_from_db()
    assert other.stripe_session_id is None
