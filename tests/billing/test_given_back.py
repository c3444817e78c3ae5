"""Credits that are given back after their grant was taken back settle what was charged for them, wherever they are.

A grant may have been held, moved with its account, or come anew after it lapsed; where its debt and the held credits
then lie in different accounts or lots, the end must be the one of an account that never moved.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing import ledger
from billing.ledger import LotKind
from billing.models import Lot
from tests.billing.books import LedgerClock, assert_books_are_right, balance, grant, hold, lot, spend
from tests.properties import examples

pytestmark = pytest.mark.usefixtures("books")

SIGNED = {"actor": "ada@example.org", "reason": "not worth the letters"}
DAY = timedelta(days=1)


def write_off(reference: str, amount: int) -> None:
    ledger.write_off(grant=reference, reference=f"ticket:{uuid4()}", amount=amount, **SIGNED)


def merge(source: UUID, into: UUID) -> None:
    ledger.merge(source=source, into=into, reference=f"merge:{source}")


@pytest.mark.parametrize("written_off", [0, 30, 60])
def test_credits_held_in_the_account_they_were_moved_to_settle_the_debt_of_their_grant(written_off: int) -> None:
    visitor, between, member = uuid4(), uuid4(), uuid4()
    reference = grant(visitor, 100)
    merge(visitor, between)
    merge(between, member)
    request = hold(member, 60)
    ledger.clawback(reference=reference, target=100)
    assert balance(member) == (0, 60, 60)
    if written_off:
        write_off(reference, written_off)
    ledger.release(reference=request)
    assert [balance(account) for account in (visitor, between, member)] == [(0, 0, 0)] * 3
    assert (lot(reference).forgiven, lot(reference).clawed) == (0, 0)  # all of it was there to be taken
    assert sum(Lot.objects.filter(reference__startswith=reference).values_list("clawed", flat=True)) == 100


@pytest.mark.parametrize("written_off", [0, 50, 80])
def test_credits_held_in_an_account_that_was_moved_since_settle_what_is_owed_where_it_went(written_off: int) -> None:
    visitor, member = uuid4(), uuid4()
    reference = grant(visitor, 100)
    spend(visitor, 20)
    request = hold(visitor, 60)
    ledger.clawback(reference=reference, target=100)
    if written_off:
        write_off(reference, written_off)
    merge(visitor, member)
    ledger.release(reference=request)
    assert balance(visitor) == (0, 0, 0)
    assert balance(member) == (0, 0, max(0, 80 - written_off - 60))
    assert lot(reference).forgiven == -max(0, written_off - max(0, 60 - (80 - written_off)))


@pytest.mark.parametrize("is_our_failure", [True, False])
def test_credits_that_lapsed_while_held_in_another_account_settle_it_too(
    is_our_failure: bool, ledger_clock: LedgerClock
) -> None:
    visitor, member = uuid4(), uuid4()
    reference = grant(visitor, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    merge(visitor, member)
    request = hold(member, 60)
    ledger.clawback(reference=reference, target=100)
    write_off(reference, 20)
    ledger_clock.advance(2 * DAY)
    ledger.release(reference=request, is_our_failure=is_our_failure)
    assert balance(member) == (0, 0, 0)
    assert lot(reference).forgiven == 0


def test_credits_that_came_anew_settle_the_debt_of_the_grant_they_came_from(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    first = hold(account, 100)
    ledger_clock.advance(2 * DAY)
    ledger.release(reference=first)  # lapsed by our failure: anew for a week
    second = hold(account, 60)
    ledger.clawback(reference=reference, target=100)
    write_off(reference, 10)
    ledger.capture(reference=second, amount=15)
    assert balance(account) == (0, 0, 5)
    assert lot(reference).forgiven == -10
    ledger.clawback(reference=reference, target=0)
    assert balance(account) == (100 - 15, 0, 0)


def test_credits_that_come_anew_twice_pay_any_debt_and_settle_no_more_than_is_left_of_them(
    ledger_clock: LedgerClock,
) -> None:
    account = uuid4()
    reference = grant(account, 100, kind=LotKind.PLAN, expires_at=ledger_clock.now + DAY)
    first = hold(account, 100)
    ledger_clock.advance(2 * DAY)
    ledger.release(reference=first)
    second = hold(account, 60)
    ledger.clawback(reference=reference, target=100)
    write_off(reference, 20)
    other = grant(account, 90)  # pays the 40 that are left of it
    spend(account, 50)
    ledger.clawback(reference=other, target=90)
    assert balance(account) == (0, 60, 90)
    ledger_clock.advance(8 * DAY)
    ledger.release(reference=second)
    assert balance(account) == (0, 0, 30)
    assert lot(reference).forgiven == -20


def test_a_charge_pays_for_the_clip_before_anything_is_settled() -> None:
    visitor, member = uuid4(), uuid4()
    reference = grant(visitor, 100)
    merge(visitor, member)
    request = hold(member, 100)
    ledger.clawback(reference=reference, target=40)
    ledger.capture(reference=request, amount=70)
    assert balance(member) == (0, 0, 10)
    assert lot(reference).clawed == 10


def test_two_lots_of_one_grant_settle_no_more_than_it_owes() -> None:
    visitor, member = uuid4(), uuid4()
    reference = grant(visitor, 100)
    early = hold(visitor, 30)
    merge(visitor, member)
    ledger.release(reference=early)  # its 30 follow as a lot of their own
    request = hold(member, 100)
    ledger.clawback(reference=reference, target=50)
    write_off(reference, 20)
    assert balance(member) == (0, 100, 30)
    ledger.release(reference=request)
    assert balance(member) == (50, 0, 0)
    assert lot(reference).forgiven == 0


def test_a_moved_account_s_credits_do_not_settle_another_grant_s_write_off() -> None:
    visitor, member = uuid4(), uuid4()
    taken, kept = grant(visitor, 100), grant(visitor, 100)
    spend(visitor, 100)
    ledger.clawback(reference=taken, target=100)
    write_off(taken, 100)
    merge(visitor, member)
    assert kept
    ledger.release(reference=hold(member, 100))
    assert balance(member) == (100, 0, 0)
    assert lot(taken).forgiven == -100


# --- an account that moves and one that stays ------------------------------------------------------------------------

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "hold", "release", "capture", "refund", "refund", "write off", "merge", "merge"]),
        st.integers(1, 4),
    ),
    min_size=3,
    max_size=14,
)


class Account:
    """One grant of 100, and whatever is done to it; ``stays`` or is moved on when it is told to."""

    def __init__(self, *, stays: bool) -> None:
        self.stays = stays
        self.places = [uuid4()]
        self.reference = grant(self.places[0], 100)
        self.holds: list[tuple[UUID, int]] = []

    def act(self, what: str, quarters: int) -> None:
        here = self.places[-1]
        available, _, debt = balance(here)
        acts: dict[str, Callable[[], object]] = {
            "hold": lambda: self._hold(here, available * quarters // 4),
            "release": lambda: ledger.release(reference=self.holds.pop(quarters % len(self.holds))[0]),
            "capture": lambda: self._capture(quarters),
            "refund": lambda: ledger.clawback(reference=self.reference, target=25 * quarters),
            "write off": lambda: write_off(self.reference, max(1, debt * quarters // 4)),
            "merge": self._move_on,
        }
        possible = {
            "hold": available * quarters // 4 > 0,
            "release": bool(self.holds),
            "capture": bool(self.holds),
            "write off": debt > 0,
        }
        if possible.get(what, True):
            acts[what]()

    def _hold(self, here: UUID, amount: int) -> None:
        self.holds.append((hold(here, amount), amount))

    def _capture(self, quarters: int) -> None:
        request, amount = self.holds.pop(0)
        ledger.capture(reference=request, amount=amount * quarters // 4)

    def _move_on(self) -> None:
        if not self.stays:
            self.places.append(uuid4())
            merge(self.places[-2], self.places[-1])

    def stands(self) -> tuple[int, ...]:
        """Available, held, owed, given up, taken back: over all places."""
        family = Lot.objects.filter(reference__startswith=self.reference)
        books = [balance(place) for place in self.places]
        forgiven = lot(self.reference).forgiven
        return (*(sum(column) for column in zip(*books, strict=True)), forgiven, sum(one.clawed for one in family))


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
@example(acts=[("hold", 2), ("refund", 4), ("write off", 2), ("merge", 1), ("release", 1)])
@example(acts=[("merge", 1), ("hold", 2), ("refund", 4), ("write off", 2), ("merge", 1), ("release", 1)])
def test_an_account_that_is_moved_stands_where_one_that_stays_does(acts: list[tuple[str, int]]) -> None:
    with transaction.atomic():
        stays, moves = Account(stays=True), Account(stays=False)
        for what, quarters in acts:
            stays.act(what, quarters)
            moves.act(what, quarters)
            assert stays.stands() == moves.stands(), what
        assert_books_are_right()
        transaction.set_rollback(True)
