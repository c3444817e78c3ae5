"""A visitor signs in: what was his goes to the workspace, and whatever comes late follows."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from billing import ledger
from billing.ledger import ClawedBack, LotKind
from billing.models import Lot, Transaction
from tests.billing.books import LedgerClock, balance, grant, hold, lot, spend

pytestmark = pytest.mark.usefixtures("books")

DAY = timedelta(days=1)


def test_live_credits_move_with_their_terms(ledger_clock: LedgerClock) -> None:
    visitor, member = uuid4(), uuid4()
    free = grant(visitor, 60, kind=LotKind.FREE, expires_at=ledger_clock.now + DAY)
    pack = grant(visitor, 40)
    grant(member, 5, kind=LotKind.PLAN)
    assert ledger.merge(source=visitor, into=member, reference="sign-in") == 100
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (105, 0, 0))
    first, _, last = ledger.lots(account=member)
    assert (first.kind, first.priority, first.expires_at) == ("free", 10, ledger_clock.now + DAY)
    assert (last.kind, last.priority, last.expires_at) == ("pack", 50, None)
    assert (first.parent, last.parent) == (lot(free), lot(pack))
    assert lot(free).moved == 60


def test_both_histories_tell_of_it() -> None:
    visitor, member = uuid4(), uuid4()
    grant(visitor, 60)
    ledger.merge(source=visitor, into=member, reference="sign-in")
    lines = {line.account_id: line for line in Transaction.objects.filter(kind="merge", reference="sign-in")}
    assert lines[visitor].request == {"into": str(member)}
    assert lines[member].request == {"from": str(visitor)}
    assert lines[visitor].response == lines[member].response == {"moved": 60}


def test_lapsed_credits_stay_where_they_lapse(ledger_clock: LedgerClock) -> None:
    visitor, member = uuid4(), uuid4()
    grant(visitor, 60, expires_at=ledger_clock.now + DAY)
    ledger_clock.advance(DAY)
    assert ledger.merge(source=visitor, into=member, reference="sign-in") == 0
    assert ledger.expire_due(limit=10) == 1


def test_merging_again_gives_the_same_answer() -> None:
    visitor, member = uuid4(), uuid4()
    grant(visitor, 60)
    ask: dict[str, Any] = {"source": visitor, "into": member, "reference": "sign-in"}
    assert ledger.merge(**ask) == ledger.merge(**ask) == 60
    assert ledger.merge(**ask | {"reference": "sign-in again"}) == 0
    assert balance(member) == (60, 0, 0)


def test_an_empty_account_can_be_merged() -> None:
    visitor, member = uuid4(), uuid4()
    assert ledger.merge(source=visitor, into=member, reference="sign-in") == 0
    grant(visitor, 7)
    assert balance(member) == (7, 0, 0)


def test_what_is_held_follows_when_it_is_given_back() -> None:
    visitor, member = uuid4(), uuid4()
    grant(visitor, 60)
    request = hold(visitor, 50)
    assert ledger.merge(source=visitor, into=member, reference="sign-in") == 10
    assert (balance(visitor), balance(member)) == ((0, 50, 0), (10, 0, 0))
    ledger.capture(reference=request, amount=20)
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (40, 0, 0))


def test_what_is_granted_late_follows_too() -> None:
    visitor, member = uuid4(), uuid4()
    ledger.merge(source=visitor, into=member, reference="sign-in")
    grant(visitor, 30)
    grant(visitor, 12)
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (42, 0, 0))


def test_debt_moves_and_is_paid_by_what_arrives() -> None:
    visitor, member = uuid4(), uuid4()
    spent = grant(visitor, 50)
    spend(visitor, 50)
    for _ in range(3):
        grant(visitor, 20)
    ledger.clawback(reference=spent, target=50)
    assert balance(visitor) == (60, 0, 50)
    assert ledger.merge(source=visitor, into=member, reference="sign-in") == 60
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (10, 0, 0))
    assert [each.repaid for each in Lot.objects.filter(account=member).order_by("id")] == [20, 20, 10]
    assert [each.reference for each in Lot.objects.filter(account=member).order_by("parent")] == [
        each.reference for each in Lot.objects.filter(account=member).order_by("id")
    ]


def test_what_arrives_pays_the_debt_of_both() -> None:
    visitor, member = uuid4(), uuid4()
    for account, owes in ((visitor, 10), (member, 20)):
        spent = grant(account, owes)
        spend(account, owes)
        ledger.clawback(reference=spent, target=owes)
    grant(member, 15)
    for amount in (4, 30):
        late = uuid4()
        grant(late, amount)
        ledger.merge(source=late, into=visitor, reference=f"late {late}")
    assert (balance(visitor), balance(member)) == ((24, 0, 0), (0, 0, 5))
    ledger.merge(source=visitor, into=member, reference="sign-in")
    assert balance(member) == (19, 0, 0)


def test_a_refund_finds_the_credits_where_they_went() -> None:
    visitor, member = uuid4(), uuid4()
    pack = grant(visitor, 100)
    spend(visitor, 10)
    request = hold(visitor, 20)
    ledger.merge(source=visitor, into=member, reference="sign-in")
    spend(member, 30)
    assert ledger.clawback(reference=pack, target=100) == ClawedBack(clawed=100, change=100, owed=60)
    assert (balance(visitor), balance(member)) == ((0, 20, 0), (0, 0, 60))
    ledger.release(reference=request)
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (0, 0, 40))


def test_a_refund_takes_what_is_left_upstream_too() -> None:
    visitor, member = uuid4(), uuid4()
    pack = grant(visitor, 100)
    request = hold(visitor, 40)
    ledger.merge(source=visitor, into=member, reference="sign-in")
    ledger.release(reference=request)
    assert ledger.clawback(reference=pack, target=70).owed == 0
    assert balance(member) == (30, 0, 0)


def test_a_refund_that_failed_gives_back_downstream() -> None:
    visitor, member = uuid4(), uuid4()
    pack = grant(visitor, 100)
    spend(visitor, 30)
    ledger.merge(source=visitor, into=member, reference="sign-in")
    ledger.clawback(reference=pack, target=100)
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (0, 0, 30))
    ledger.clawback(reference=pack, target=0)
    assert (balance(visitor), balance(member)) == ((0, 0, 0), (70, 0, 0))


def test_what_comes_to_a_merged_account_goes_all_the_way_down() -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    grant(first, 10)
    ledger.merge(source=second, into=third, reference="later")
    ledger.merge(source=first, into=second, reference="sooner")
    assert (balance(second), balance(third)) == ((0, 0, 0), (10, 0, 0))


def test_what_lapsed_in_the_middle_still_goes_all_the_way_down(ledger_clock: LedgerClock) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    reference = grant(first, 10, expires_at=ledger_clock.now + DAY)
    ledger.merge(source=first, into=second, reference="sooner")
    request = hold(second, 10)
    ledger.merge(source=second, into=third, reference="later")
    ledger_clock.advance(DAY)
    ledger.release(reference=request)
    assert balance(third) == (10, 0, 0)
    ledger.clawback(reference=reference, target=10)
    ledger.clawback(reference=reference, target=0)
    assert balance(third) == (10, 0, 0)


def test_an_account_is_merged_into_one_other_only() -> None:
    visitor, member, stranger = uuid4(), uuid4(), uuid4()
    ledger.merge(source=visitor, into=member, reference="sign-in")
    with pytest.raises(ledger.ReferenceReused, match=str(member)), transaction.atomic():
        ledger.merge(source=visitor, into=stranger, reference="elsewhere")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_is_refused(length: int) -> None:
    accounts = [uuid4() for _ in range(length)]
    for source, into in pairwise(accounts):
        ledger.merge(source=source, into=into, reference=f"{source} {into}")
    with pytest.raises(ledger.ReferenceReused, match="cannot be merged into itself"), transaction.atomic():
        ledger.merge(source=accounts[-1], into=accounts[0], reference="round")
