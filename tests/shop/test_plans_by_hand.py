"""What was made at Stripe by hand, at the imitation and in its test mode: plans, prices, another shop's things."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from billing.plans import entitlements
from billing.shop import convergence, gateway, lookups, reconcile
from billing.shop.models import Customer, Payment, Price, Subscription
from loremotion.refusals import Conflict
from tests.shop.shop_steps import balance, change, granted, plan_price
from tests.shop.stripe_driver import StripeDriver


def differences_of(account: UUID) -> list[str]:
    """What the nightly comparison leaves for a person about a workspace."""
    comparison = reconcile.compare_books()
    assert comparison is not None
    named = comparison.mismatches.filter(subject=f"workspace:{account}", is_mended=False)
    return list(named.values_list("detail", flat=True))


def test_a_plan_made_by_hand_beside_another_brings_what_was_paid_and_staff_is_told_until_one_ends(
    stripe_driver: StripeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    account = uuid4()
    first = stripe_driver.subscribe(account)
    assert differences_of(account) == []
    customer = Customer.objects.get(workspace=account).stripe_customer_id
    second = stripe_driver.begin(account, plan_price("studio"), customer=customer, is_by_hand=True)
    stripe_driver.tell_until(lambda: granted(account) == [1_500, 5_500])
    assert entitlements(account).plan == "studio"
    told = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert len(told) == 1
    [detail] = differences_of(account)
    for words in (told[0], detail):
        assert {first.stripe_subscription_id, second} <= set(words.replace("(", " ").split())
        assert "Cancel one of them at Stripe" in words
    stripe_driver.api.subscriptions.cancel(second)
    stripe_driver.tell_until(lambda: Subscription.objects.of(account).ongoing().count() == 1)
    assert differences_of(account) == []


def test_a_plan_made_by_hand_that_nobody_told_us_of_is_found_by_comparing_the_books(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    stripe_driver.begin(account, plan_price("creator"), customer=stripe_driver.payer(account), is_by_hand=True)
    assert reconcile.compare_books() is not None
    assert granted(account) == [1_500]
    assert differences_of(account) == []


def test_a_plan_made_by_hand_several_times_over_brings_the_credits_of_each_and_they_go_back_with_their_money(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    price = plan_price("studio")
    stripe_driver.begin(account, price, customer=stripe_driver.payer(account), quantity=3, is_by_hand=True)
    stripe_driver.tell_until(lambda: granted(account) == [3 * 5_500])
    payment = Payment.objects.get(workspace=account)
    assert payment.amount_minor == 3 * price.amount_minor
    assert payment.rollover_credits == 3 * payment.price.plan.rollover_credits  # type: ignore[union-attr]
    for other in (("creator", "month"), ("studio", "year")):
        with pytest.raises(Conflict, match="more than once"):
            change(account, *other)
    stripe_driver.refund(payment, price.amount_minor)
    stripe_driver.tell_until(lambda: balance(account)[0] == 2 * 5_500)


def test_what_a_customer_of_ours_subscribes_to_in_another_shop_of_the_account_is_left_alone(
    stripe_driver: StripeDriver,
) -> None:
    account = uuid4()
    customer = stripe_driver.payer(account)
    product = stripe_driver.api.products.create({"name": "Mugs"})
    monthly = {"product": product.id, "currency": "usd", "unit_amount": 900, "recurring": {"interval": "month"}}
    mugs = {"customer": customer, "items": [{"price": stripe_driver.api.prices.create(monthly).id}]}
    made = stripe_driver.api.subscriptions.create({**mugs, "payment_behavior": "error_if_incomplete"}).id
    convergence.converge_subscription(made)
    assert not Subscription.objects.exists()
    assert granted(account) == []


def test_a_price_is_told_of_once(stripe_driver: StripeDriver) -> None:
    price = plan_price("creator")
    told = gateway.stripe_price_of(price)
    Price.objects.filter(pk=price.pk).update(stripe_price_id=None)  # the answer was lost
    price.refresh_from_db()
    assert gateway.stripe_price_of(price) == told


def test_a_price_made_by_hand_at_stripe_is_named_instead_of_guessed(stripe_driver: StripeDriver) -> None:
    account = uuid4()
    subscription = stripe_driver.subscribe(account)
    price = plan_price("creator")
    price.stripe_price_id = "price_of_before"
    price.save()
    latest = lookups.subscription(subscription.stripe_subscription_id).latest_invoice
    with pytest.raises(convergence.UnknownPrice, match="made there by hand"):
        convergence.converge_invoice(gateway.id_of(latest) or "")
