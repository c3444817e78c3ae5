"""What no webhook brought is found, what differs is brought together, and what cannot be is named."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import connection

from billing import ledger
from billing.shop import reconcile
from billing.shop.locks import Busy, alone_with
from billing.shop.models import Payment, Reconciliation, StripeEvent
from tests.shop.desk import Desk, balance, pack_price


def test_events_that_no_webhook_brought_are_read_from_the_list(desk: Desk) -> None:
    account = uuid4()
    desk.pay(desk.order(account, pack_price()))
    reading = reconcile.read_events()
    assert reading is not None
    assert reading.missed >= 1
    desk.work()
    assert balance(account) == (500, 0, 0)
    assert set(StripeEvent.objects.values_list("heard_from", flat=True)) == {"list"}


def test_a_second_reading_begins_where_the_first_ended_and_finds_nothing_new(desk: Desk) -> None:
    desk.buy(uuid4())
    reconcile.read_events()
    again = reconcile.read_events()
    assert again is not None
    assert again.missed == 0
    desk.stripe.advance(days=2)
    desk.pay(desk.order(uuid4(), pack_price()))
    third = reconcile.read_events()
    assert third is not None
    assert (third.missed, third.checked) == (1, 2)
    fourth = reconcile.read_events()
    assert fourth is not None
    assert (fourth.missed, fourth.checked) == (0, 1)  # what is two days old was not even looked at


def test_books_that_agree_have_no_differences(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    desk.subscribe(uuid4())
    desk.stripe.refund(payment.stripe_payment_intent_id or "", 250)
    desk.carry_all()
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert comparison.checked == 2
    assert list(comparison.mismatches.all()) == []


def test_a_payment_that_brought_nothing_is_found_and_mended(desk: Desk) -> None:
    account = uuid4()
    desk.pay(desk.order(account, pack_price()))
    comparison = reconcile.compare_books()
    assert comparison is not None
    [difference] = comparison.mismatches.all()
    assert "nothing was granted" in difference.detail
    assert difference.is_mended
    assert balance(account) == (500, 0, 0)


def test_a_refund_that_nobody_told_of_is_found_and_mended(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    desk.stripe.refund(payment.stripe_payment_intent_id or "", 500)
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert [one.is_mended for one in comparison.mismatches.all()] == [True]
    assert balance(account) == (0, 0, 0)


def test_credits_that_were_taken_back_without_reason_come_back(desk: Desk) -> None:
    account = uuid4()
    payment = desk.buy(account)
    ledger.clawback(reference=payment.source, target=300, actor="somebody", reason="by mistake")
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert [one.is_mended for one in comparison.mismatches.all()] == [True]
    assert balance(account) == (500, 0, 0)


def test_credits_for_a_payment_that_stripe_does_not_know_are_named_and_left_for_a_person(desk: Desk) -> None:
    account = uuid4()
    real = desk.buy(account)
    forged = uuid4()
    ledger.grant(account=account, reference=f"order:{forged}", amount=900, kind=ledger.LotKind.PACK)
    Payment.objects.create(
        source=f"order:{forged}",
        workspace=account,
        purse=account,
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


def test_a_grant_that_names_a_payment_without_one_is_named(desk: Desk) -> None:
    stray = uuid4()
    ledger.grant(account=uuid4(), reference=f"order:{stray}", amount=50, kind=ledger.LotKind.PACK)
    comparison = reconcile.compare_books()
    assert comparison is not None
    assert [(one.subject, one.is_mended) for one in comparison.mismatches.all()] == [(f"order:{stray}", False)]


@pytest.mark.django_db(transaction=True)
def test_only_one_process_compares_at_a_time() -> None:

    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with alone_with("reconcile:books"):
            entered.set()
            leave.wait(10)
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    try:
        assert reconcile.compare_books() is None
        with pytest.raises(Busy), alone_with("reconcile:books", is_patient=False):
            pass
    finally:
        leave.set()
        thread.join()
    assert not Reconciliation.objects.exists()
