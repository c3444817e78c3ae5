"""Taking back what was paid back: to a cumulative target, in any order, with one end."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest
from django.db import transaction

from billing import ledger
from billing.ledger import ClawedBack, LotKind
from billing.models import Transaction
from tests.billing.books import LedgerClock, balance, grant, hold, lot, spend

pytestmark = pytest.mark.usefixtures("books")

DAY = timedelta(days=1)


def test_it_works() -> None:
    account = uuid4()
    reference = grant(account, 100)
    assert ledger.clawback(reference=reference, target=40) == ClawedBack(clawed=40, change=40, owed=0)
    assert balance(account) == (60, 0, 0)


def test_the_target_counts_from_the_beginning() -> None:
    account = uuid4()
    reference = grant(account, 100)
    ledger.clawback(reference=reference, target=40)
    assert ledger.clawback(reference=reference, target=70) == ClawedBack(clawed=70, change=30, owed=0)
    assert ledger.clawback(reference=reference, target=70) == ClawedBack(clawed=70, change=0, owed=0)
    assert balance(account) == (30, 0, 0)


def test_a_target_that_is_reached_leaves_no_line() -> None:
    account = uuid4()
    reference = grant(account, 100)
    ledger.clawback(reference=reference, target=0)
    assert [line.kind for line in ledger.movements(account=account)] == ["grant"]


def test_it_says_who_and_why_in_the_history() -> None:
    reference = grant(uuid4(), 100)
    ledger.clawback(reference=reference, target=40, actor="stripe", reason="refund re_1")
    line = Transaction.objects.get(kind="clawback")
    assert (line.actor, line.reason) == ("stripe", "refund re_1")
    assert (line.request, line.response) == ({"target": 40}, {"clawed": 40, "was": 0})


def test_what_was_spent_becomes_debt_that_the_next_grant_pays_first() -> None:
    account = uuid4()
    reference = grant(account, 100)
    spend(account, 70)
    assert ledger.clawback(reference=reference, target=100) == ClawedBack(clawed=100, change=100, owed=70)
    assert balance(account) == (0, 0, 70)
    assert ledger.grant(account=account, reference="next", amount=50, kind=LotKind.PLAN).paid_debt == 50
    assert balance(account) == (0, 0, 20)
    assert ledger.grant(account=account, reference="after", amount=50, kind=LotKind.PLAN).paid_debt == 20
    assert balance(account) == (30, 0, 0)


def test_other_credits_are_left_alone() -> None:
    account = uuid4()
    first = grant(account, 100)
    spend(account, 100)
    second = grant(account, 100)
    ledger.clawback(reference=first, target=100)
    assert balance(account) == (100, 0, 100)
    assert lot(second).remaining == 100


def test_what_lapsed_unused_was_not_spent(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    spend(account, 10)
    ledger_clock.advance(DAY)
    ledger.expire_due(limit=10)
    assert ledger.clawback(reference=reference, target=50) == ClawedBack(clawed=50, change=50, owed=0)
    assert (lot(reference).expired, lot(reference).clawed) == (40, 50)
    assert ledger.clawback(reference=reference, target=100) == ClawedBack(clawed=100, change=50, owed=10)
    assert (lot(reference).expired, lot(reference).clawed, lot(reference).repaid) == (0, 100, -10)
    assert balance(account) == (0, 0, 10)


@pytest.mark.parametrize(
    ("target", "remaining", "expired", "owed"), [(20, 10, 50, 0), (60, 0, 20, 0), (80, 0, 0, 0), (90, 0, 0, 10)]
)
def test_remaining_goes_before_lapsed_and_lapsed_before_debt(
    target: int, remaining: int, expired: int, owed: int, ledger_clock: LedgerClock
) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    spend(account, 20)
    given_back = hold(account, 30)
    ledger_clock.advance(DAY)
    ledger.expire_due(limit=10)
    ledger.release(reference=given_back, is_our_failure=False)
    assert (lot(reference).remaining, lot(reference).expired) == (30, 50)
    assert ledger.clawback(reference=reference, target=target).owed == owed
    assert (lot(reference).remaining, lot(reference).expired) == (remaining, expired)


def test_held_credits_stay_held_and_pay_the_debt_when_they_come_back() -> None:
    account = uuid4()
    reference = grant(account, 100)
    request = hold(account, 60)
    assert ledger.clawback(reference=reference, target=100).owed == 60
    assert balance(account) == (0, 60, 60)
    ledger.release(reference=request)
    assert balance(account) == (0, 0, 0)


def test_only_the_lots_own_debt_is_paid_by_what_comes_back() -> None:
    account = uuid4()
    first = grant(account, 50)
    spend(account, 50)
    second = grant(account, 50)
    request = hold(account, 50)
    ledger.clawback(reference=first, target=50)
    ledger.release(reference=request)
    assert balance(account) == (50, 0, 50)
    assert lot(second).repaid == 0


def test_two_lots_that_come_back_pay_each_its_own_debt_and_no_more() -> None:
    account = uuid4()
    first, second = grant(account, 50), grant(account, 50)
    request = hold(account, 100)
    ledger.clawback(reference=first, target=50)
    ledger.clawback(reference=second, target=50)
    grant(account, 70)
    assert balance(account) == (0, 100, 30)
    ledger.release(reference=request)
    assert balance(account) == (70, 0, 0)
    assert (lot(first).repaid, lot(second).repaid) == (-20, -50)


def test_a_refund_that_failed_gives_the_credits_back() -> None:
    account = uuid4()
    reference = grant(account, 100)
    ledger.clawback(reference=reference, target=100)
    assert ledger.clawback(reference=reference, target=30) == ClawedBack(clawed=30, change=-70, owed=0)
    assert balance(account) == (70, 0, 0)
    (anew,) = ledger.lots(account=account)
    assert (anew.parent, anew.kind, anew.priority, anew.expires_at) == (lot(reference), "pack", 50, None)


def test_a_refund_that_failed_forgives_the_debt_first() -> None:
    account = uuid4()
    reference = grant(account, 100)
    spend(account, 80)
    ledger.clawback(reference=reference, target=100)
    ledger.clawback(reference=reference, target=50)
    assert balance(account) == (0, 0, 30)
    ledger.clawback(reference=reference, target=0)
    assert balance(account) == (20, 0, 0)


@pytest.mark.parametrize(("lasts", "left"), [(3 * DAY, 7 * DAY), (30 * DAY, 30 * DAY)])
def test_what_comes_anew_can_be_used_for_a_week_at_least(
    ledger_clock: LedgerClock, lasts: timedelta, left: timedelta
) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + lasts)
    ledger.clawback(reference=reference, target=100)
    ledger.clawback(reference=reference, target=0)
    (anew,) = ledger.lots(account=account)
    assert (anew.kind, anew.priority, anew.expires_at) == ("plan", 20, ledger_clock.now + left)


def test_it_goes_up_and_down_any_number_of_times() -> None:
    account = uuid4()
    reference = grant(account, 100)
    spend(account, 10)
    for target in (100, 0, 100, 50, 100, 20):
        ledger.clawback(reference=reference, target=target)
    assert balance(account) == (70, 0, 0)
    assert sum(each.clawed for each in lot(reference).account.lots.all()) == 20


def test_what_was_given_anew_is_taken_back_before_there_is_debt(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    request = hold(account, 60)
    ledger_clock.advance(DAY)
    ledger.release(reference=request)
    assert ledger.clawback(reference=reference, target=100) == ClawedBack(clawed=100, change=100, owed=0)
    assert balance(account) == (0, 0, 0)


def test_the_youngest_of_a_family_gives_first() -> None:
    account = uuid4()
    reference = grant(account, 100)
    ledger.clawback(reference=reference, target=40)
    ledger.clawback(reference=reference, target=0)
    ledger.clawback(reference=reference, target=30)
    assert [(each.remaining, each.clawed) for each in lot(reference).account.lots.order_by("id")] == [(60, 0), (10, 30)]


@pytest.mark.parametrize("target", [-1, 101])
def test_no_more_can_be_taken_back_than_was_granted(target: int) -> None:
    reference = grant(uuid4(), 100)
    with pytest.raises(ledger.InvalidAmount, match="of the 100 credits granted"), transaction.atomic():
        ledger.clawback(reference=reference, target=target)


def test_a_refund_that_comes_before_its_grant_has_to_wait() -> None:
    with pytest.raises(ledger.UnknownReference, match="in_7"), transaction.atomic():
        ledger.clawback(reference="in_7", target=1)


@pytest.mark.parametrize(
    "order", list(permutations(["refund half", "refund", "capture", "release", "lapse"])), ids=" ".join
)
def test_refund_charge_release_and_lapse_end_the_same_in_any_order(
    order: tuple[str, ...], ledger_clock: LedgerClock
) -> None:
    """Each event comes twice, and the refund is what the payment's state says when it is looked at."""
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    captured, released = hold(account, 30), hold(account, 50)
    ledger_clock.advance(DAY)
    refunded = 0
    for event in (*order, *order):
        if event in ("refund half", "refund"):
            refunded = max(refunded, 50 if event == "refund half" else 100)
            ledger.clawback(reference=reference, target=refunded)
        elif event == "capture":
            ledger.capture(reference=captured)
        elif event == "release":
            ledger.release(reference=released, is_our_failure=False)
        else:
            ledger.expire_due(limit=10)
    assert balance(account) == (0, 0, 30)
    ended = lot(reference)
    assert (ended.consumed, ended.clawed, ended.repaid, ended.expired) == (30, 100, -30, 0)
