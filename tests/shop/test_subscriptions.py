"""Plans over time: periods, rollover, failed payments, changes up and down, ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from django.utils import timezone

from billing import ledger
from billing.plans import entitlements
from billing.shop import convergence, ordering, subscribing
from billing.shop.models import Order, Payment, Plan, Subscription
from billing.shop.subscribing import Change
from loremotion.refusals import Conflict, Invalid
from tests.billing.books import LedgerClock
from tests.fake_stripe.subscriptions import after_months
from tests.shop.desk import BACK, Desk, balance, plan_price, spend

CARD_THAT_FAILS_LATER = "4000000000000341"


def granted(account: UUID) -> list[int]:
    """Credits of each paid period, first to last."""
    return list(Payment.objects.filter(workspace=account).order_by("paid_at", "id").values_list("credits", flat=True))


def change(account: UUID, plan: str, interval: str = "month") -> Change:
    return subscribing.change(workspace=account, price=plan_price(plan, interval), attempt=uuid4())


def test_a_plan_brings_its_credits_for_the_period_and_what_rolls_over_for_one_more(desk: Desk) -> None:
    account = uuid4()
    subscription = desk.subscribe(account, "creator")
    assert subscription.status == "active"
    assert balance(account) == (1_500, 0, 0)
    month, rest = ledger.lots(account=account)  # in the order in which they are spent
    assert (month.issued, rest.issued) == (1_000, 500)
    assert month.expires_at == subscription.period_end + timedelta(days=1)
    assert rest.expires_at is not None
    assert rest.expires_at - month.expires_at == timedelta(days=31)
    assert entitlements(account).plan == "creator"
    assert Order.objects.get(workspace=account).state == Order.State.PAID


def test_each_paid_period_brings_credits_once(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    for _ in range(2):
        desk.stripe.advance(days=31, seconds=7_200)
        desk.carry_all()
    assert granted(account) == [1_500, 1_500, 1_500]


def test_a_subscription_grants_nothing_by_itself(desk: Desk) -> None:
    account = uuid4()
    desk.pay(desk.order(account, plan_price("creator")))
    events = [one for one in desk.collected() if one["type"].startswith("customer.subscription")]
    Subscription.objects.all().delete()
    convergence_of = [one["data"]["object"]["id"] for one in events]
    invoice = desk.stripe.objects("invoice")[0]
    desk.stripe.control("unpay", invoice_id=invoice["id"])
    for subscription_id in convergence_of:
        convergence.converge_subscription(subscription_id)
    assert balance(account) == (0, 0, 0)
    assert Subscription.objects.filter(workspace=account).exists()


def test_a_year_brings_all_its_credits_at_once(desk: Desk) -> None:
    account = uuid4()
    subscription = desk.subscribe(account, "creator", "year")
    assert balance(account) == (18_000, 0, 0)
    assert subscription.period_end - subscription.period_start > timedelta(days=364)


def test_a_month_from_the_31st_ends_with_the_month_and_comes_back_to_the_31st() -> None:
    anchor = int(datetime(2028, 1, 31, 12, tzinfo=UTC).timestamp())
    ends = [datetime.fromtimestamp(after_months(anchor, months), UTC).date().isoformat() for months in (1, 2, 13, 49)]
    assert ends == ["2028-02-29", "2028-03-31", "2029-02-28", "2032-02-29"]


def test_a_plan_that_staff_edits_changes_the_next_period_and_not_this_one(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    Plan.objects.filter(slug="creator").update(monthly_credits=2_000)
    desk.carry(desk.stripe.events())  # everything again
    assert balance(account) == (1_500, 0, 0)
    desk.stripe.advance(days=31, seconds=7_200)
    desk.carry_all()
    assert granted(account) == [1_500, 2_000]


def test_a_refunded_period_gives_back_the_longest_lasting_credits_first(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    payment = Payment.objects.get(workspace=account)
    desk.stripe.refund(payment.stripe_payment_intent_id or "", 600)  # half
    desk.carry_all()
    assert balance(account) == (750, 0, 0)
    assert [(lot.issued, lot.clawed) for lot in ledger.lots(account=account)] == [(1_000, 250)]
    desk.stripe.refund(payment.stripe_payment_intent_id or "")
    desk.carry_all()
    assert balance(account) == (0, 0, 0)


# --- what lapses -------------------------------------------------------------------------------------------------


def test_what_is_left_of_a_month_lapses_except_for_what_rolls_over(desk: Desk, ledger_clock: LedgerClock) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    spend(account, 300)
    ledger_clock.advance(timedelta(days=33))
    ledger.expire_due(limit=10)
    assert balance(account) == (500, 0, 0)
    ledger_clock.advance(timedelta(days=31))
    ledger.expire_due(limit=10)
    assert balance(account) == (0, 0, 0)


# --- payments that fail ------------------------------------------------------------------------------------------


def late(desk: Desk, account: UUID) -> Subscription:
    """A subscription whose renewal was declined once."""
    desk.subscribe(account, "studio")
    customer = desk.stripe.objects("subscription")[0]["customer"]
    desk.stripe.control("use-card", customer=customer, card=CARD_THAT_FAILS_LATER)
    desk.stripe.advance(days=31, seconds=7_200)
    desk.carry_all()
    return Subscription.objects.get(workspace=account)


def test_a_declined_renewal_brings_nothing_and_the_plan_stays_for_the_grace(desk: Desk) -> None:
    account = uuid4()
    subscription = late(desk, account)
    assert (subscription.status, subscription.failed_attempts) == ("past_due", 1)
    assert granted(account) == [5_500]
    assert entitlements(account).plan == "studio"
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        assert entitlements(account).plan == "free"


def test_a_later_try_that_succeeds_brings_the_period(desk: Desk) -> None:
    account = uuid4()
    subscription = late(desk, account)
    customer = desk.stripe.objects("subscription")[0]["customer"]
    desk.stripe.control("use-card", customer=customer, card="")
    desk.stripe.advance(days=4)
    desk.carry_all()
    subscription.refresh_from_db()
    assert (subscription.status, subscription.failed_attempts, subscription.past_due_since) == ("active", 0, None)
    assert granted(account) == [5_500, 5_500]


def test_after_the_last_try_the_plan_is_gone(desk: Desk) -> None:
    account = uuid4()
    late(desk, account)
    desk.stripe.advance(days=20)
    desk.carry_all()
    assert Subscription.objects.get(workspace=account).status == "canceled"
    assert entitlements(account).plan == "free"
    assert granted(account) == [5_500]


# --- changing ----------------------------------------------------------------------------------------------------


def test_an_upgrade_begins_a_full_period_at_once_and_keeps_what_was_left(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    spend(account, 400)
    desk.stripe.advance(days=10)
    assert change(account, "studio") is Change.NOW
    desk.carry_all()
    assert entitlements(account).plan == "studio"
    assert granted(account) == [1_500, 5_500]
    assert balance(account) == (1_100 + 5_500, 0, 0)
    desk.stripe.advance(days=25)  # the old period's end passes without a renewal
    desk.carry_all()
    assert granted(account) == [1_500, 5_500]


def test_an_upgrade_that_is_declined_changes_nothing(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    desk.stripe.decline()
    with pytest.raises(subscribing.PaymentDeclined, match="as it was"):
        change(account, "studio")
    desk.carry_all()
    assert entitlements(account).plan == "creator"
    assert granted(account) == [1_500]
    assert change(account, "studio") is Change.NOW  # and with money it works
    assert entitlements(account).plan == "studio"


def test_an_upgrade_that_is_paid_later_with_another_card_takes_effect_then(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    desk.stripe.decline()
    with pytest.raises(subscribing.PaymentDeclined):
        change(account, "studio")
    desk.stripe.control("collect", invoice_id=desk.stripe.objects("invoice")[0]["id"])
    desk.carry_all()
    assert entitlements(account).plan == "studio"
    assert granted(account) == [1_500, 5_500]


def test_an_upgrade_sent_twice_is_paid_once(desk: Desk) -> None:
    account, attempt = uuid4(), uuid4()
    desk.subscribe(account, "creator")
    desk.stripe.fail("POST subscriptions/", when="after")
    subscribing.change(workspace=account, price=plan_price("studio"), attempt=attempt)
    subscribing.change(workspace=account, price=plan_price("studio"), attempt=attempt)
    desk.carry_all()
    assert granted(account) == [1_500, 5_500]
    assert len(desk.stripe.objects("charge")) == 2


def test_a_downgrade_waits_for_the_period_s_end(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "studio")
    assert change(account, "creator") is Change.LATER
    desk.carry_all()
    subscription = Subscription.objects.get(workspace=account)
    assert entitlements(account).plan == "studio"
    assert subscription.next_price == plan_price("creator")
    desk.stripe.advance(days=31, seconds=7_200)
    desk.carry_all()
    assert entitlements(account).plan == "creator"
    assert granted(account) == [5_500, 1_500]
    subscription.refresh_from_db()
    assert subscription.next_price is None


def test_from_a_year_to_a_month_waits_too(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator", "year")
    assert change(account, "studio") is Change.LATER  # a dearer month is no reason to throw a paid year away
    desk.stripe.advance(days=366, seconds=7_200)
    desk.carry_all()
    assert granted(account) == [18_000, 5_500]


def test_a_downgrade_can_be_taken_back_and_an_upgrade_overrules_it(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "studio")
    change(account, "creator")
    subscribing.keep(workspace=account)
    assert Subscription.objects.get(workspace=account).next_price is None
    change(account, "creator")
    assert change(account, "house") is Change.NOW
    desk.carry_all()
    subscription = Subscription.objects.get(workspace=account)
    assert (subscription.plan.slug, subscription.next_price) == ("house", None)


def test_an_upgrade_on_the_last_day_and_the_renewal_do_not_both_happen(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "creator")
    desk.stripe.advance(days=29, seconds=86_000)
    change(account, "studio")
    desk.stripe.advance(days=3)
    desk.carry_all()
    assert granted(account) == [1_500, 5_500]


def test_a_cancelled_plan_lasts_to_the_end_of_what_is_paid_and_can_be_kept(desk: Desk) -> None:
    account = uuid4()
    desk.subscribe(account, "studio")
    subscribing.set_cancelled(workspace=account, is_cancelled=True)
    subscription = Subscription.objects.get(workspace=account)
    assert subscription.ends_at == subscription.period_end
    assert entitlements(account).plan == "studio"
    with pytest.raises(Conflict, match="cancelled"):
        change(account, "house")
    subscribing.set_cancelled(workspace=account, is_cancelled=False)
    assert Subscription.objects.get(workspace=account).ends_at is None
    subscribing.set_cancelled(workspace=account, is_cancelled=True)
    desk.stripe.advance(days=31, seconds=7_200)
    desk.carry_all()
    assert entitlements(account).plan == "free"
    assert granted(account) == [5_500]


def test_the_portal_belongs_to_the_customer_and_its_configuration_is_made_once(desk: Desk) -> None:
    account = uuid4()
    with pytest.raises(Conflict, match="no invoices"):
        subscribing.portal(workspace=account, back=BACK)
    desk.subscribe(account)
    for _ in range(2):
        assert subscribing.portal(workspace=account, back=BACK).startswith(f"{desk.stripe.url}/p/session/")
    assert len(desk.stripe.objects("billing_portal.configuration")) == 1


# --- what is refused ---------------------------------------------------------------------------------------------


def test_nobody_ends_up_with_two_plans(desk: Desk) -> None:
    account = uuid4()
    first = desk.order(account, plan_price("creator"))
    second = desk.order(account, plan_price("studio"))
    desk.carry_all()
    first.refresh_from_db()
    assert first.state == Order.State.CLOSED  # its pay page is shut
    desk.pay(second)
    desk.carry_all()
    with pytest.raises(Conflict, match="has a plan"):
        ordering.order(order_id=uuid4(), workspace=account, price=plan_price("house"), actor="")


def test_what_cannot_be_changed_says_why(desk: Desk) -> None:
    account = uuid4()
    with pytest.raises(Conflict, match="no plan"):
        change(account, "studio")
    desk.subscribe(account, "creator")
    assert change(account, "creator") is Change.NONE
    with pytest.raises(Invalid, match="USD"):
        subscribing.change(workspace=account, price=plan_price("studio", currency="eur"), attempt=uuid4())


def test_a_price_made_by_hand_at_stripe_is_named_instead_of_guessed(desk: Desk) -> None:
    desk.subscribe(uuid4(), "creator")
    price = plan_price("creator")
    price.stripe_price_id = "price_of_before"
    price.save()
    with pytest.raises(convergence.UnknownPrice, match="made there by hand"):
        convergence.converge_invoice(desk.stripe.objects("invoice")[0]["id"])
