"""Granting, holding, charging and giving back, one rule a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from billing import ledger
from billing.ledger import LotKind, Settled
from billing.models import Transaction
from tests.billing.books import FAR_AWAY, balance, grant, hold, lot, spend

pytestmark = pytest.mark.usefixtures("books")

DAY = timedelta(days=1)
PERIOD: dict[str, Any] = {"reference": "in_1", "amount": 50, "kind": LotKind.PLAN, "expires_at": FAR_AWAY}
REQUEST = UUID("5c9f1dd0-6f1c-4f6a-9a35-1f0f2b0f9d11")


def test_it_works() -> None:
    account = uuid4()
    grant(account, 100)
    reference = hold(account, 30)
    assert balance(account) == (70, 30, 0)
    assert ledger.capture(reference=reference, amount=20) == Settled(captured=20, released=10)
    assert balance(account) == (80, 0, 0)


# --- opening and granting ---


def test_an_account_that_nobody_opened_holds_nothing() -> None:
    assert ledger.balance(account=uuid4()) == ledger.Balance(available=0, held=0, debt=0)
    assert ledger.lots(account=uuid4()) == []
    assert ledger.movements(account=uuid4()) == []


def test_opening_an_account_twice_leaves_it_as_it_is() -> None:
    account = uuid4()
    ledger.open_account(account=account)
    grant(account, 5)
    ledger.open_account(account=account)
    assert balance(account) == (5, 0, 0)


def test_the_same_grant_again_gives_the_same_answer_and_no_credits() -> None:
    terms: dict[str, Any] = {
        "account": uuid4(),
        "reference": "in_1",
        "amount": 50,
        "kind": LotKind.PLAN,
        "expires_at": FAR_AWAY,
    }
    assert ledger.grant(**terms) == ledger.grant(**terms)
    assert balance(terms["account"]) == (50, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 51},
        {"kind": LotKind.PACK},
        {"priority": 7},
        {"expires_at": FAR_AWAY + DAY},
        {"expires_at": None},
        {"account": uuid4()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_same_reference_with_other_terms_is_refused(change: dict[str, Any]) -> None:
    terms: dict[str, Any] = {
        "account": uuid4(),
        "reference": "in_1",
        "amount": 50,
        "kind": LotKind.PLAN,
        "expires_at": FAR_AWAY,
    }
    ledger.grant(**terms)
    with pytest.raises(ledger.ReferenceReused, match="in_1"), transaction.atomic():
        ledger.grant(**terms | change)


@pytest.mark.parametrize("amount", [0, -1])
def test_only_a_positive_amount_can_be_granted(amount: int) -> None:
    with pytest.raises(ledger.InvalidAmount, match="positive"), transaction.atomic():
        grant(uuid4(), amount)


def test_the_mark_of_lots_born_of_others_cannot_be_forged() -> None:
    with pytest.raises(ledger.InvalidAmount, match="in_1~5"), transaction.atomic():
        grant(uuid4(), 5, reference="in_1~5")


@pytest.mark.parametrize(("kind", "priority"), ledger.PRIORITIES.items())
def test_each_kind_has_its_place_in_the_draw_order(kind: LotKind, priority: int) -> None:
    reference = grant(uuid4(), 5, kind=kind)
    assert (lot(reference).kind, lot(reference).priority) == (kind, priority)


# --- holding ---


def test_what_is_given_is_spent_before_what_was_bought() -> None:
    account = uuid4()
    order = [
        grant(account, 1, kind=LotKind.PLAN, priority=1),
        grant(account, 1, kind=LotKind.FREE, expires_at=FAR_AWAY),
        grant(account, 1, kind=LotKind.PLAN, expires_at=FAR_AWAY),
        grant(account, 1, kind=LotKind.GOODWILL),
        grant(account, 1, kind=LotKind.PACK),
    ]
    for reference in order:
        spend(account, 1)
        assert lot(reference).consumed == 1


def test_within_a_priority_the_first_to_lapse_goes_first_then_the_oldest() -> None:
    account = uuid4()
    never, later, sooner, also_never = (
        grant(account, 1, expires_at=expires_at) for expires_at in (None, FAR_AWAY + DAY, FAR_AWAY, None)
    )
    assert [each.reference for each in ledger.lots(account=account)] == [sooner, later, never, also_never]
    for reference in (sooner, later, never, also_never):
        spend(account, 1)
        assert lot(reference).consumed == 1


def test_a_hold_takes_only_what_it_needs_of_the_last_lot() -> None:
    account = uuid4()
    first, second, third = grant(account, 10), grant(account, 10), grant(account, 10)
    hold(account, 15)
    assert [lot(reference).held for reference in (first, second, third)] == [10, 5, 0]


def test_a_hold_of_all_there_is_succeeds_and_of_one_more_is_refused() -> None:
    account = uuid4()
    grant(account, 10)
    with pytest.raises(ledger.NotEnoughCredits, match="costs 11 credits, and you have 10") as refused:
        hold(account, 11)
    assert (refused.value.available, refused.value.needed, refused.value.status) == (10, 11, 402)
    assert balance(account) == (10, 0, 0)
    hold(account, 10)
    assert balance(account) == (0, 10, 0)


def test_a_refused_hold_leaves_the_callers_transaction_usable() -> None:
    account = uuid4()
    with transaction.atomic():
        with pytest.raises(ledger.NotEnoughCredits):
            hold(account, 1)
        grant(account, 1)
    assert balance(account) == (1, 0, 0)


def test_the_same_hold_again_holds_nothing_more() -> None:
    account = uuid4()
    grant(account, 30)
    assert hold(account, 10, reference=REQUEST) == hold(account, 10, reference=REQUEST)
    assert balance(account) == (20, 10, 0)


def test_the_same_hold_again_is_answered_even_when_nothing_is_left() -> None:
    account = uuid4()
    grant(account, 10)
    hold(account, 10, reference=REQUEST)
    hold(account, 10, reference=REQUEST)
    assert balance(account) == (0, 10, 0)


def test_asking_again_with_a_later_deadline_is_the_same_request() -> None:
    account = uuid4()
    grant(account, 10)
    terms: dict[str, Any] = {"account": account, "reference": REQUEST, "amount": 10, "quote": {}}
    assert ledger.hold(**terms, expires_at=FAR_AWAY) == ledger.hold(**terms, expires_at=FAR_AWAY + DAY)


@pytest.mark.parametrize("change", [{"amount": 9}, {"quote": {"seconds": 6}}, {"account": uuid4()}])
def test_a_request_cannot_hold_twice(change: dict[str, Any]) -> None:
    terms: dict[str, Any] = {
        "account": uuid4(),
        "reference": REQUEST,
        "amount": 10,
        "quote": {"seconds": 5},
        "expires_at": FAR_AWAY,
    }
    grant(terms["account"], 30)
    ledger.hold(**terms)
    with pytest.raises(ledger.ReferenceReused, match=str(REQUEST)), transaction.atomic():
        ledger.hold(**terms | change)


@pytest.mark.parametrize("amount", [0, -5])
def test_only_a_positive_amount_can_be_held(amount: int) -> None:
    account = uuid4()
    grant(account, 10)
    with pytest.raises(ledger.InvalidAmount, match="positive"), transaction.atomic():
        hold(account, amount)


# --- settling ---


def test_what_is_not_charged_returns_to_the_lots_it_came_from() -> None:
    account = uuid4()
    first, second, third = grant(account, 10), grant(account, 10), grant(account, 10)
    ledger.capture(reference=hold(account, 25), amount=12)
    assert [(lot(each).consumed, lot(each).remaining) for each in (first, second, third)] == [(10, 0), (2, 8), (0, 10)]


def test_releasing_gives_everything_back() -> None:
    account = uuid4()
    first, second = grant(account, 10), grant(account, 10)
    assert ledger.release(reference=hold(account, 15)) == Settled(captured=0, released=15)
    assert [(lot(each).remaining, lot(each).held) for each in (first, second)] == [(10, 0), (10, 0)]


def test_charging_nothing_is_releasing() -> None:
    account = uuid4()
    grant(account, 10)
    reference = hold(account, 10)
    assert ledger.capture(reference=reference, amount=0) == Settled(captured=0, released=10)
    assert ledger.receipt(reference=reference).state == "released"


def test_without_an_amount_all_is_charged() -> None:
    account = uuid4()
    grant(account, 10)
    assert ledger.capture(reference=hold(account, 7)) == Settled(captured=7, released=0)
    assert balance(account) == (3, 0, 0)


@pytest.mark.parametrize("first_charges", [0, 4, 10])
def test_the_first_settlement_wins(first_charges: int) -> None:
    account = uuid4()
    grant(account, 10)
    reference = hold(account, 10)
    decided = ledger.capture(reference=reference, amount=first_charges)
    assert ledger.capture(reference=reference, amount=first_charges) == decided
    assert ledger.capture(reference=reference) == decided
    assert ledger.release(reference=reference) == decided
    assert ledger.capture(reference=reference, amount=11) == decided
    assert balance(account) == (10 - first_charges, 0, 0)


@pytest.mark.parametrize("amount", [11, -1])
def test_no_more_can_be_charged_than_was_held(amount: int) -> None:
    account = uuid4()
    grant(account, 30)
    reference = hold(account, 10)
    with pytest.raises(ledger.InvalidAmount, match=f"of the 10 credits held for {reference}"), transaction.atomic():
        ledger.capture(reference=reference, amount=amount)
    assert balance(account) == (20, 10, 0)


def test_what_was_never_held_cannot_be_settled() -> None:
    for settle in (ledger.capture, ledger.release):
        with pytest.raises(ledger.UnknownReference, match=str(REQUEST)), transaction.atomic():
            settle(reference=REQUEST)
    with pytest.raises(ledger.UnknownReference, match=str(REQUEST)):
        ledger.receipt(reference=REQUEST)


def test_a_settlement_tells_in_the_history_what_it_did() -> None:
    account = uuid4()
    grant(account, 10)
    ledger.capture(reference=hold(account, 10, reference=REQUEST), amount=4)
    settled = Transaction.objects.get(kind="settle", reference=str(REQUEST))
    assert settled.response == {"captured": 4, "released": 6}
    assert settled.request == {"captured": 4, "is_our_failure": False}
