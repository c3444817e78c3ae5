"""Debts that staff gives up: by grant, by name and with a reason, and never twice over."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from billing import ledger
from billing.ledger import Debt, LotKind, WrittenOff
from billing.models import Entry, Transaction
from tests.billing.books import LedgerClock, balance, grant, hold, lot, spend

pytestmark = pytest.mark.usefixtures("books")

SIGNED = {"actor": "ada@example.org", "reason": "not worth the letters"}
DAY = timedelta(days=1)


def owing(account: UUID, amount: int = 100, *, spent: int = 70) -> str:
    """A grant that was taken back whole after so much of it was spent."""
    reference = grant(account, amount)
    spend(account, spent)
    ledger.clawback(reference=reference, target=amount)
    return reference


def write_off(grant: str, amount: int, *, reference: str = "ticket-1") -> WrittenOff:
    return ledger.write_off(grant=grant, reference=reference, amount=amount, **SIGNED)


def test_it_works() -> None:
    account = uuid4()
    reference = owing(account)
    assert ledger.debts(account=account) == [Debt(reference, 70)]
    assert write_off(reference, 50) == WrittenOff(amount=50, owed=20)
    assert balance(account) == (0, 0, 20)
    assert (lot(reference).repaid, lot(reference).forgiven) == (-20, -50)
    assert write_off(reference, 20, reference="ticket-2") == WrittenOff(amount=20, owed=0)
    assert balance(account) == (0, 0, 0)
    assert ledger.debts(account=account) == []


def test_who_and_why_stand_in_the_history() -> None:
    account = uuid4()
    reference = owing(account)
    write_off(reference, 70)
    line = Transaction.objects.get(kind="writeoff")
    assert {"actor": line.actor, "reason": line.reason} == SIGNED
    assert (line.reference, line.request) == ("ticket-1", {"grant": reference, "amount": 70})
    assert line.response == {"amount": 70, "owed": 0}
    newest = ledger.movements(account=account)[0]
    assert (newest.kind, newest.debt_change, newest.available_change, newest.debt) == ("writeoff", -70, 0, 0)


def test_no_more_is_written_off_than_is_owed() -> None:
    account = uuid4()
    reference = owing(account)
    with pytest.raises(ledger.NotOwed, match="70 are owed") as refused:
        write_off(reference, 71)
    assert (refused.value.owed, refused.value.needed) == (70, 71)
    assert balance(account) == (0, 0, 70)
    grant(account, 50)  # pays 50 of it
    with pytest.raises(ledger.NotOwed, match="20 are owed"):
        write_off(reference, 21)
    assert write_off(reference, 20) == WrittenOff(20, 0)
    assert balance(account) == (0, 0, 0)


def test_a_grant_whose_debt_is_written_off_owes_nothing_of_another_one_s() -> None:
    account = uuid4()
    first = owing(account)
    write_off(first, 70)
    second = owing(account)
    with pytest.raises(ledger.NotOwed, match="0 are owed"):
        write_off(first, 1, reference="ticket-2")
    assert write_off(second, 70, reference="ticket-3") == WrittenOff(70, 0)


def test_a_grant_that_was_given_back_meanwhile_owes_no_more_than_is_still_taken_back() -> None:
    account = uuid4()
    first, second = grant(account, 100), grant(account, 100)
    spend(account, 200)
    for reference, target in ((first, 100), (first, 30), (second, 100)):
        ledger.clawback(reference=reference, target=target)
    assert balance(account) == (0, 0, 130)
    with pytest.raises(ledger.NotOwed, match="30 are owed"):
        write_off(first, 31)
    assert write_off(first, 30) == WrittenOff(30, 0)
    assert ledger.debts(account=account) == [Debt(second, 100)]


def test_the_same_write_off_again_changes_nothing() -> None:
    account = uuid4()
    reference = owing(account)
    assert write_off(reference, 30) == write_off(reference, 30)
    assert balance(account) == (0, 0, 40)


def test_a_reference_stands_for_one_write_off() -> None:
    reference = owing(uuid4())
    write_off(reference, 30)
    with pytest.raises(ledger.ReferenceReused, match="ticket-1"), transaction.atomic():
        write_off(reference, 31)


@pytest.mark.parametrize("amount", [0, -1])
def test_only_something_is_written_off(amount: int) -> None:
    reference = owing(uuid4())
    with pytest.raises(ledger.InvalidAmount, match="positive"), transaction.atomic():
        write_off(reference, amount)


def test_what_was_never_granted_cannot_be_owed() -> None:
    with pytest.raises(ledger.UnknownReference, match="order:1"), transaction.atomic():
        write_off("order:1", 1)


@pytest.mark.parametrize("missing", ["actor", "reason"])
def test_nobody_writes_off_without_name_and_reason(missing: str) -> None:
    reference = owing(uuid4())
    with pytest.raises(ValueError, match="actor and reason"):
        ledger.write_off(grant=reference, reference="ticket-1", amount=5, **SIGNED | {missing: " "})


def test_a_dispute_that_is_won_later_does_not_give_what_was_written_off_on_top() -> None:
    account = uuid4()
    reference = owing(account, spent=70)
    write_off(reference, 70)
    ledger.clawback(reference=reference, target=0)
    assert balance(account) == (30, 0, 0)  # paid for 100, spent 70
    assert lot(reference).forgiven == 0
    assert ledger.debts(account=account) == []


def test_of_a_part_that_comes_back_the_debt_is_settled_first_then_what_was_written_off() -> None:
    account = uuid4()
    reference = owing(account, spent=100)
    write_off(reference, 60)
    ledger.clawback(reference=reference, target=70)  # 30 come back, and 40 are owed
    assert (balance(account), lot(reference).forgiven) == ((0, 0, 10), -60)
    ledger.clawback(reference=reference, target=20)
    assert (balance(account), lot(reference).forgiven) == ((0, 0, 0), -20)
    ledger.clawback(reference=reference, target=0)
    assert (balance(account), lot(reference).forgiven) == ((0, 0, 0), 0)


def test_it_can_be_taken_back_and_written_off_again() -> None:
    account = uuid4()
    reference = owing(account, spent=100)
    write_off(reference, 100)
    ledger.clawback(reference=reference, target=0)
    ledger.clawback(reference=reference, target=100)
    assert balance(account) == (0, 0, 100)
    assert write_off(reference, 100, reference="ticket-2") == WrittenOff(100, 0)


@pytest.mark.parametrize("is_our_failure", [True, False])
@pytest.mark.parametrize("lapses", [True, False])
def test_credits_that_were_held_all_the_while_are_not_given_back_once_they_are_written_off(
    is_our_failure: bool, lapses: bool, ledger_clock: LedgerClock
) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    request = hold(account, 60)
    ledger.clawback(reference=reference, target=100)
    write_off(reference, 60)
    ledger_clock.advance(DAY * lapses)
    ledger.release(reference=request, is_our_failure=is_our_failure)
    assert balance(account) == (0, 0, 0)
    assert (lot(reference).forgiven, lot(reference).remaining) == (0, 0)


def test_held_credits_pay_what_is_still_owed_and_then_what_was_written_off() -> None:
    account = uuid4()
    reference = grant(account, 100)
    spend(account, 20)
    request = hold(account, 60)
    ledger.clawback(reference=reference, target=100)
    write_off(reference, 50)
    assert balance(account) == (0, 60, 30)
    ledger.release(reference=request)
    assert (balance(account), lot(reference).forgiven) == ((0, 0, 0), -20)


def test_a_debt_that_went_with_its_account_is_written_off_where_it_came_from() -> None:
    visitor, between, member = uuid4(), uuid4(), uuid4()
    reference = owing(visitor)
    ledger.merge(source=visitor, into=between, reference="signed up")
    ledger.merge(source=between, into=member, reference="joined")
    assert balance(member) == (0, 0, 70)
    assert ledger.debts(account=member) == [Debt(reference, 70)]
    assert write_off(reference, 50) == write_off(reference, 50)
    assert (balance(visitor), balance(between), balance(member)) == ((0, 0, 0), (0, 0, 0), (0, 0, 20))
    [line] = Transaction.objects.filter(account=member, kind="writeoff")
    assert (line.request, {"actor": line.actor, "reason": line.reason}) == ({"from": str(visitor)}, SIGNED)
    ledger.clawback(reference=reference, target=0)
    assert balance(member) == (30, 0, 0)


EVENTS = ("refund", "write off", "release", "pay", "dispute won")


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids=" ".join)
def test_whoever_pays_or_gives_back_first_nobody_gains_and_nobody_loses(order: tuple[str, ...]) -> None:
    """Credits in hand, less what is owed, plus what was given up: the same, whatever came first."""
    account = uuid4()
    reference = grant(account, 100)
    spend(account, 40)
    request = hold(account, 60)
    acts: dict[str, Any] = {
        "refund": lambda: ledger.clawback(reference=reference, target=100),
        "write off": lambda: _write_off_all(reference),
        "release": lambda: ledger.release(reference=request),
        "pay": lambda: grant(account, 30),
        "dispute won": lambda: ledger.clawback(reference=reference, target=50),
    }
    for event in order:
        acts[event]()
    available, held, debt = balance(account)
    taken_back = 100 if order.index("refund") > order.index("dispute won") else 50
    assert (held, available - debt + lot(reference).forgiven) == (0, 130 - 40 - taken_back)


def _write_off_all(reference: str) -> None:
    for debt in ledger.debts(account=lot(reference).account_id):
        write_off(debt.grant, debt.owed)


def test_every_leg_names_what_it_is() -> None:
    account = uuid4()
    reference = owing(account)
    write_off(reference, 70)
    line = Transaction.objects.get(kind="writeoff")
    legs = Entry.objects.filter(account=account, seq=line.seq).order_by("leg")
    assert list(legs.values_list("lot__reference", "code", "amount")) == [
        (reference, "debt", 70),
        (reference, "forgiven", -70),
    ]
