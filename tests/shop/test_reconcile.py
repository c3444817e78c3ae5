"""What no webhook brought is found, what differs is brought together, and what cannot be is named.

That a payment and a refund nobody told of are found and mended: test_packs_at_either_stripe.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from billing import ledger
from billing.shop import housekeeping, reconcile
from billing.shop.locks import Busy, alone_with
from billing.shop.models import Order, Payment, Reconciliation, StripeEvent, Subscription
from tests.patience import PATIENCE_SECONDS
from tests.shop.shop_steps import ShopSteps, balance, pack_price, plan_price


def test_events_that_no_webhook_brought_are_read_from_the_list(shop_steps: ShopSteps) -> None:
    account = uuid4()
    shop_steps.pay(shop_steps.order(account, pack_price()))
    reading = reconcile.read_events()
    assert reading is not None
    assert reading.missed >= 1
    shop_steps.work()
    assert balance(account) == (500, 0, 0)
    assert set(StripeEvent.objects.values_list("heard_from", flat=True)) == {"list"}


def test_a_second_reading_begins_where_the_first_ended_and_finds_nothing_new(shop_steps: ShopSteps) -> None:
    shop_steps.buy(uuid4())
    reconcile.read_events()
    again = reconcile.read_events()
    assert again is not None
    assert again.missed == 0
    shop_steps.stripe.advance(days=2)
    shop_steps.pay(shop_steps.order(uuid4(), pack_price()))
    third = reconcile.read_events()
    assert third is not None
    assert (third.missed, third.checked) == (2, 4)  # of each pack the session and its invoice
    fourth = reconcile.read_events()
    assert fourth is not None
    assert (fourth.missed, fourth.checked) == (0, 2)  # what is two days old was not even looked at


def test_books_that_agree_have_no_differences(shop_steps: ShopSteps) -> None:
    account = uuid4()
    payment = shop_steps.buy(account)
    shop_steps.subscribe(uuid4())
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 250)
    shop_steps.carry_all()
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert comparison.checked == 2
    assert list(comparison.mismatches.all()) == []


def test_credits_for_a_payment_that_stripe_does_not_know_are_named_and_left_for_a_person(shop_steps: ShopSteps) -> None:
    account = uuid4()
    real = shop_steps.buy(account)
    forged = uuid4()
    ledger.grant(account=account, reference=f"order:{forged}", amount=900, kind=ledger.LotKind.PACK)
    Payment.objects.create(
        source=f"order:{forged}",
        workspace=account,
        account=account,
        price=real.price,
        amount_minor=900,
        currency="usd",
        credits=900,
        paid_at=real.paid_at,
    )
    comparison = reconcile.compare_books()
    assert comparison is not None
    [difference] = comparison.mismatches.all()
    assert difference.subject == f"order:{forged}"
    assert not difference.is_mended


def test_a_period_that_was_paid_weeks_after_it_was_billed_is_no_difference(shop_steps: ShopSteps) -> None:
    account = uuid4()
    shop_steps.subscribe(account)
    invoice = shop_steps.stripe.objects("invoice")[0]
    long_ago = {"created": invoice["created"] - 40 * 86_400}
    shop_steps.stripe.control("rewrite", kind="invoice", object_id=invoice["id"], fields=long_ago)
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert list(comparison.mismatches.values_list("subject", "detail")) == []


def test_a_grant_that_names_a_payment_without_one_is_named(shop_steps: ShopSteps) -> None:
    stray = uuid4()
    ledger.grant(account=uuid4(), reference=f"order:{stray}", amount=50, kind=ledger.LotKind.PACK)
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert [(one.subject, one.is_mended) for one in comparison.mismatches.all()] == [(f"order:{stray}", False)]


# --- the account's statement -------------------------------------------------------------------------------------


def aged() -> None:
    """As if everything had been paid a while ago: what is younger is not yet on a statement."""
    Payment.objects.update(paid_at=timezone.now() - timedelta(hours=2))


def compared() -> Reconciliation:
    comparison = reconcile.compare_books()
    assert comparison is not None
    return comparison


def found(comparison: Reconciliation) -> list[tuple[str, bool]]:
    return list(comparison.mismatches.values_list("subject", "is_mended"))


def test_a_statement_that_says_what_we_say_is_summed_up_by_currency(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(uuid4())
    euros = shop_steps.buy(uuid4(), pack_price(currency="eur"))
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 120)
    failed = shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 100)
    shop_steps.stripe.control("fail-refund", refund_id=failed["id"])
    shop_steps.stripe.refund(euros.stripe_payment_intent_id or "", 200)
    lost, won = (shop_steps.stripe.dispute(shop_steps.buy(uuid4()).stripe_payment_intent_id or "") for _ in range(2))
    shop_steps.stripe.close_dispute(lost["id"], "lost")
    shop_steps.stripe.close_dispute(won["id"], "won")
    shop_steps.carry_all()
    aged()
    comparison = compared()
    assert found(comparison) == []
    rows = {(row["currency"], row["side"]): row for row in comparison.balance["rows"]}
    for side in ("stripe", "ours"):
        usd, eur = rows["usd", side], rows["eur", side]
        assert (usd["charged"], usd["refunded"], usd["disputed"]) == (1_500, 120, 500)
        assert (eur["charged"], eur["refunded"]) == (500, 200)
    [kept] = comparison.balance["kept"]
    fees = 3 * (14 + 30) + (550 * 29 // 1_000 + 30) + 1_500
    assert kept == {"currency": "usd", "fees": fees, "net": 1_500 - 120 - 500 + 550 - 220 - fees}


def test_what_we_counted_otherwise_than_the_statement_is_found_and_mended(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(uuid4())
    aged()
    Payment.objects.update(refunded_minor=100)  # no refund at Stripe would lead anybody here
    assert found(compared()) == [(payment.source, True)]
    payment.refresh_from_db()
    assert payment.refunded_minor == 0
    assert found(compared()) == []


def test_an_amount_that_is_not_what_came_is_named_and_left_for_a_person(
    shop_steps: ShopSteps, caplog: pytest.LogCaptureFixture
) -> None:
    payment = shop_steps.buy(uuid4())
    aged()
    Payment.objects.update(amount_minor=501)
    comparison = compared()
    assert found(comparison) == [(payment.source, False)]
    assert "500 paid" in comparison.mismatches.get().detail
    assert "CRITICAL" in {record.levelname for record in caplog.records}


def test_a_payment_whose_money_never_came_is_named(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(uuid4())
    aged()
    charge = shop_steps.stripe.objects("balance_transaction")[0]
    shop_steps.stripe.control(
        "rewrite", kind="balance_transaction", object_id=charge["id"], fields={"reporting_category": "payout"}
    )
    assert found(compared()) == [(payment.source, False)]


def test_an_entry_whose_fee_does_not_add_up_is_named(shop_steps: ShopSteps) -> None:
    shop_steps.buy(uuid4())
    entry = shop_steps.stripe.objects("balance_transaction")[0]
    shop_steps.stripe.control("rewrite", kind="balance_transaction", object_id=entry["id"], fields={"net": 1})
    assert found(compared()) == [(f"balance:{entry['id']}", False)]


def test_money_of_a_customer_of_ours_for_nothing_is_named_and_a_stranger_s_is_not(shop_steps: ShopSteps) -> None:
    shop_steps.subscribe(uuid4())
    aged()
    charge = shop_steps.stripe.objects("charge")[0]
    stray = shop_steps.stripe.control("charge", customer=charge["customer"], amount=900, currency="usd")
    shop_steps.stripe.control("charge", customer=None, amount=900, currency="usd")
    assert found(compared()) == [(f"charge:{stray['latest_charge']}", False)]


def test_a_refund_that_has_yet_to_leave_the_account_is_no_difference(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(uuid4())
    refund = shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 100)
    waiting = {"status": "pending", "balance_transaction": None}
    shop_steps.stripe.control("rewrite", kind="refund", object_id=refund["id"], fields=waiting)
    entry = shop_steps.stripe.objects("balance_transaction")[0]
    shop_steps.stripe.control(
        "rewrite", kind="balance_transaction", object_id=entry["id"], fields={"reporting_category": "other"}
    )
    shop_steps.carry_all()
    aged()
    assert found(compared()) == []


def test_what_cannot_be_mended_keeps_nothing_after_it_from_being_mended(
    shop_steps: ShopSteps,
) -> None:
    accounts = [uuid4() for _ in range(3)]
    for account in accounts:
        shop_steps.pay(shop_steps.order(account, pack_price()))
    poison = Order.objects.get(workspace=accounts[1])
    ledger.grant(account=uuid4(), reference=f"order:{poison.id}", amount=1, kind=ledger.LotKind.GOODWILL)
    assert sorted(mended for _, mended in found(compared())) == [False, True, True]
    assert [balance(account)[0] for account in accounts] == [500, 0, 500]


def test_what_cannot_be_read_keeps_nothing_after_it_from_being_read(shop_steps: ShopSteps) -> None:
    account = uuid4()
    shop_steps.subscribe(uuid4())
    subscription, invoice = shop_steps.stripe.objects("subscription")[0], shop_steps.stripe.objects("invoice")[0]
    shop_steps.pay(shop_steps.order(account, plan_price("creator")))
    Payment.objects.all().delete()
    Subscription.objects.all().delete()
    shop_steps.stripe.control(
        "rewrite", kind="subscription", object_id=subscription["id"], fields={"items": {"data": []}}
    )
    mended = [subject for subject, is_mended in found(compared()) if is_mended]
    assert len(mended) == 1
    assert mended != [f"invoice:{invoice['id']}"]
    assert balance(account)[0] == 1_500


def test_the_audit_compares_with_stripe_and_fails_while_something_differs(shop_steps: ShopSteps) -> None:
    payment = shop_steps.buy(uuid4())
    aged()
    said = StringIO()
    call_command("audit_ledger", "--stripe", stdout=said)
    assert "Stripe says the same of 1 payments" in said.getvalue()
    assert "USD, our payments: $5.00 paid" in said.getvalue()
    Payment.objects.update(amount_minor=501)
    complaints = StringIO()
    with pytest.raises(CommandError, match="differ in 1 points"):
        call_command("audit_ledger", "--stripe", stdout=said, stderr=complaints)
    assert payment.source in complaints.getvalue()


@pytest.mark.django_db
def test_readings_that_found_nothing_are_forgotten_after_a_week_and_the_one_that_the_next_begins_from_is_not() -> None:
    now = timezone.now()

    def reading(days_ago: int, kind: str = "events", *, ended: bool = True, **values: int) -> Reconciliation:
        then = now - timedelta(days=days_ago)
        until = {"read_until": then, "finished_at": then} if ended else {}
        return Reconciliation.objects.create(kind=kind, began_at=then, **until, **values)

    for days_ago, ended in [(9, True), (8, False), (400, True)]:
        reading(days_ago, ended=ended)
    kept = {reading(10, missed=1), reading(400, "books"), reading(8), reading(6, ended=False)}
    housekeeping.sweep()
    assert set(Reconciliation.objects.all()) == kept


@pytest.mark.django_db(transaction=True)
def test_only_one_process_compares_at_a_time() -> None:

    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with alone_with("reconcile:books"):
            entered.set()
            leave.wait(PATIENCE_SECONDS)
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(PATIENCE_SECONDS)
    try:
        assert reconcile.compare_books() is None
        with pytest.raises(Busy), alone_with("reconcile:books", is_patient=False):
            pass
    finally:
        leave.set()
        thread.join()
    assert not Reconciliation.objects.exists()
