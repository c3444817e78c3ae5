"""Plans over time, as far as only an imitation of Stripe can have it happen. The rest: test_plans_at_either_stripe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import DataError
from django.utils import timezone

from billing import ledger
from billing.plans import entitlements
from billing.shop import convergence, notices, ordering, subscribing
from billing.shop.models import Order, Subscription
from billing.shop.subscribing import Change
from loremotion.outbox import mail
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict, Invalid
from tests.accounts import factories as people
from tests.billing.books import LedgerClock
from tests.fake_stripe.subscriptions import after_months
from tests.shop.shop_steps import BACK, ShopSteps, balance, change, granted, plan_price, spend

CARD_THAT_FAILS_LATER = "4000000000000341"


def test_a_month_from_the_31st_ends_with_the_month_and_comes_back_to_the_31st() -> None:
    anchor = int(datetime(2028, 1, 31, 12, tzinfo=UTC).timestamp())
    ends = [datetime.fromtimestamp(after_months(anchor, months), UTC).date().isoformat() for months in (1, 2, 13, 49)]
    assert ends == ["2028-02-29", "2028-03-31", "2029-02-28", "2032-02-29"]


# --- what lapses -------------------------------------------------------------------------------------------------


def test_what_is_left_of_a_month_lapses_except_for_what_rolls_over(
    shop_steps: ShopSteps, ledger_clock: LedgerClock
) -> None:
    account = uuid4()
    shop_steps.subscribe(account, "creator")
    spend(account, 300)
    ledger_clock.advance(timedelta(days=33))
    ledger.expire_due(limit=10)
    assert balance(account) == (500, 0, 0)
    ledger_clock.advance(timedelta(days=31))
    ledger.expire_due(limit=10)
    assert balance(account) == (0, 0, 0)


# --- payments that fail ------------------------------------------------------------------------------------------


def late(shop_steps: ShopSteps, account: UUID) -> Subscription:
    """A subscription whose renewal was declined once."""
    shop_steps.subscribe(account, "studio")
    customer = shop_steps.stripe.objects("subscription")[0]["customer"]
    shop_steps.stripe.control("use-card", customer=customer, card=CARD_THAT_FAILS_LATER)
    shop_steps.stripe.advance(days=31, seconds=7_200)
    shop_steps.carry_all()
    return Subscription.objects.get(workspace=account)


def test_a_declined_renewal_brings_nothing_and_the_plan_stays_for_the_grace(shop_steps: ShopSteps) -> None:
    account = uuid4()
    subscription = late(shop_steps, account)
    assert (subscription.status, subscription.failed_attempts) == ("past_due", 1)
    assert granted(account) == [5_500]
    assert entitlements(account).plan == "studio"
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        assert entitlements(account).plan == "free"


def test_a_declined_renewal_is_mailed_to_those_who_pay_once_however_often_stripe_tells(shop_steps: ShopSteps) -> None:
    studio = people.team(people.person(), "Studio", plan="")
    subscription = late(shop_steps, studio.id)
    convergence.converge_subscription(subscription.stripe_subscription_id)
    assert [message.content for message in MailMessage.objects.all()] == [notices.PAYMENT_FAILED]


def test_a_declined_try_is_noted_together_with_its_mail_or_not_at_all(
    shop_steps: ShopSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = people.team(people.person(), "Studio", plan="")
    subscription = late(shop_steps, studio.id)
    untold = Subscription.objects.filter(id=subscription.id, failed_attempts=0, dunned_attempts=0)
    Subscription.objects.update(failed_attempts=0, dunned_attempts=0)
    MailMessage.objects.all().delete()

    def fail(messages: list[MailMessage], *, occasion: str) -> None:
        raise DataError("value too long")

    with monkeypatch.context() as patched:
        patched.setattr(mail, "write", fail)
        with pytest.raises(DataError):
            convergence.converge_subscription(subscription.stripe_subscription_id)
    assert untold.exists()
    convergence.converge_subscription(subscription.stripe_subscription_id)
    assert not untold.exists()
    assert MailMessage.objects.count() == 1


def test_a_later_try_that_succeeds_brings_the_period(shop_steps: ShopSteps) -> None:
    account = uuid4()
    subscription = late(shop_steps, account)
    customer = shop_steps.stripe.objects("subscription")[0]["customer"]
    shop_steps.stripe.control("use-card", customer=customer, card="")
    shop_steps.stripe.advance(days=4)
    shop_steps.carry_all()
    subscription.refresh_from_db()
    assert (subscription.status, subscription.failed_attempts, subscription.past_due_since) == ("active", 0, None)
    assert granted(account) == [5_500, 5_500]


def test_after_the_last_try_the_plan_is_gone(shop_steps: ShopSteps) -> None:
    account = uuid4()
    late(shop_steps, account)
    shop_steps.stripe.advance(days=20)
    shop_steps.carry_all()
    assert Subscription.objects.get(workspace=account).status == "canceled"
    assert entitlements(account).plan == "free"
    assert granted(account) == [5_500]


# --- changing ----------------------------------------------------------------------------------------------------


def test_an_upgrade_that_is_declined_changes_nothing(shop_steps: ShopSteps) -> None:
    account = uuid4()
    shop_steps.subscribe(account, "creator")
    shop_steps.stripe.decline()
    with pytest.raises(subscribing.PaymentDeclined, match="changed"):
        change(account, "studio")
    shop_steps.carry_all()
    assert entitlements(account).plan == "creator"
    assert granted(account) == [1_500]
    assert change(account, "studio") is Change.NOW  # and with money it works
    assert entitlements(account).plan == "studio"


def test_an_upgrade_sent_twice_is_paid_once(shop_steps: ShopSteps) -> None:
    account, attempt = uuid4(), uuid4()
    shop_steps.subscribe(account, "creator")
    shop_steps.stripe.fail("POST subscriptions/", when="after")
    subscribing.change(workspace=account, price=plan_price("studio"), attempt=attempt)
    subscribing.change(workspace=account, price=plan_price("studio"), attempt=attempt)
    shop_steps.carry_all()
    assert granted(account) == [1_500, 5_500]
    assert len(shop_steps.stripe.objects("charge")) == 2


# --- two pay pages -----------------------------------------------------------------------------------------------


def test_a_form_from_before_the_plan_was_bought_opens_no_page_for_another(shop_steps: ShopSteps) -> None:
    account = uuid4()
    old = ordering.order(order_id=uuid4(), workspace=account, price=plan_price("studio"), actor="")
    shop_steps.subscribe(account, "creator")
    with pytest.raises(Conflict, match="already has a plan"):
        ordering.pay_page(old, email="", back=BACK)
    assert len(shop_steps.stripe.objects("checkout.session")) == 1


def test_a_page_that_was_shut_for_another_s_sake_stays_shut_and_does_not_shut_that(shop_steps: ShopSteps) -> None:
    account = uuid4()
    first, second = (shop_steps.order(account, plan_price(plan)) for plan in ("creator", "studio"))
    first.refresh_from_db()
    with pytest.raises(Conflict, match="not paid"):
        ordering.pay_page(first, email="", back=BACK)
    shop_steps.pay(second)
    shop_steps.carry_all()
    assert granted(account) == [5_500]


def test_while_a_plan_is_being_paid_by_a_slow_bank_no_page_for_another_opens(shop_steps: ShopSteps) -> None:
    account = uuid4()
    order = shop_steps.order(account, plan_price("creator"))
    session = shop_steps.pay(order, is_slow=True)
    other = ordering.order(order_id=uuid4(), workspace=account, price=plan_price("studio"), actor="")
    with pytest.raises(Conflict, match="still being processed"):
        ordering.pay_page(other, email="", back=BACK)
    shop_steps.stripe.control("settle-slow", session_id=session["id"], is_paid=True)
    shop_steps.carry_all()
    with pytest.raises(Conflict, match="already has a plan"):
        ordering.pay_page(other, email="", back=BACK)
    assert [one["status"] for one in shop_steps.stripe.objects("subscription")] == ["active"]


def test_a_page_of_another_account_at_stripe_s_keeps_nobody_from_a_plan(shop_steps: ShopSteps) -> None:
    account = uuid4()
    order = shop_steps.order(account, plan_price("creator"))
    Order.objects.filter(id=order.id).update(stripe_session_id="cs_test_ofanotheraccount")
    shop_steps.order(account, plan_price("studio"))
    assert len(shop_steps.stripe.objects("checkout.session")) == 2


# --- what is refused ---------------------------------------------------------------------------------------------


def test_what_cannot_be_changed_says_why(shop_steps: ShopSteps) -> None:
    account = uuid4()
    with pytest.raises(Conflict, match="no plan"):
        change(account, "studio")
    shop_steps.subscribe(account, "creator")
    assert change(account, "creator") is Change.NONE
    with pytest.raises(Invalid, match="USD"):
        subscribing.change(workspace=account, price=plan_price("studio", currency="eur"), attempt=uuid4())
