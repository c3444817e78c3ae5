"""Credits that lapse: unseen at once, written down later, and what happens to those that are held meanwhile."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from billing import ledger
from billing.ledger import LotKind, Settled
from billing.models import Account
from tests.billing.books import LedgerClock, balance, grant, hold, lot, spend

pytestmark = pytest.mark.usefixtures("books")

DAY = timedelta(days=1)


def test_lapsed_credits_do_not_count_even_before_that_is_written_down(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    grant(account, 10, expires_at=ledger_clock.now + DAY)
    ledger_clock.advance(DAY - timedelta(microseconds=1))
    assert balance(account) == (10, 0, 0)
    ledger_clock.advance(timedelta(microseconds=1))
    assert balance(account) == (0, 0, 0)
    assert ledger.lots(account=account) == []
    with pytest.raises(ledger.NotEnoughCredits):
        hold(account, 1)


def test_writing_down_what_lapsed_changes_no_balance_that_people_see(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 10, expires_at=ledger_clock.now + DAY)
    grant(account, 5, expires_at=ledger_clock.now + 2 * DAY)
    assert ledger.expire_due(limit=100) == 0
    ledger_clock.advance(DAY)
    assert ledger.expire_due(limit=100) == 1
    assert ledger.expire_due(limit=100) == 0
    assert balance(account) == (5, 0, 0)
    assert (lot(reference).expired, lot(reference).remaining) == (10, 0)
    assert Account.objects.get(id=account).available == 5


def test_no_more_lots_lapse_at_once_than_asked(ledger_clock: LedgerClock) -> None:
    for _ in range(3):
        grant(uuid4(), 1, expires_at=ledger_clock.now + DAY)
    ledger_clock.advance(DAY)
    assert [ledger.expire_due(limit=2) for _ in range(3)] == [2, 1, 0]


def test_held_credits_stay_chargeable_after_they_lapsed(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 10, expires_at=ledger_clock.now + DAY)
    request = hold(account, 6)
    ledger_clock.advance(2 * DAY)
    ledger.expire_due(limit=100)
    assert ledger.capture(reference=request) == Settled(captured=6, released=0)
    assert (lot(reference).consumed, lot(reference).expired) == (6, 4)


@pytest.mark.parametrize("later", [DAY, 2 * DAY], ids=["at that moment", "later"])
def test_our_failure_gives_back_anew_what_lapsed_meanwhile(ledger_clock: LedgerClock, later: timedelta) -> None:
    account = uuid4()
    reference = grant(account, 10, expires_at=ledger_clock.now + DAY)
    request = hold(account, 6)
    ledger_clock.advance(later)
    ledger.release(reference=request)
    assert balance(account) == (6, 0, 0)
    (anew,) = ledger.lots(account=account)
    assert (anew.kind, anew.priority, anew.parent) == ("goodwill", 30, lot(reference))
    assert anew.expires_at == ledger_clock.now + timedelta(days=7)
    assert (lot(reference).moved, lot(reference).held) == (6, 0)


def test_each_of_two_failures_gives_back_its_own_part_of_what_lapsed(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    grant(account, 30, expires_at=ledger_clock.now + DAY)
    requests = hold(account, 10), hold(account, 20)
    ledger_clock.advance(2 * DAY)
    for request in requests:
        ledger.release(reference=request)
    assert balance(account) == (30, 0, 0)
    assert len({anew.reference for anew in ledger.lots(account=account)}) == 2


def test_what_has_not_lapsed_returns_where_it_was_even_if_we_failed(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    lapsing = grant(account, 10, kind=LotKind.FREE, expires_at=ledger_clock.now + DAY)
    lasting = grant(account, 10)
    request = hold(account, 15)
    ledger_clock.advance(DAY)
    ledger.release(reference=request)
    assert (lot(lapsing).moved, lot(lapsing).remaining) == (10, 0)
    assert (lot(lasting).moved, lot(lasting).remaining) == (0, 10)
    assert balance(account) == (20, 0, 0)


def test_giving_up_a_request_does_not_keep_credits_alive(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 10, expires_at=ledger_clock.now + DAY)
    given_up, cut_short = hold(account, 6), hold(account, 4)
    ledger_clock.advance(DAY)
    ledger.release(reference=given_up, is_our_failure=False)
    ledger.capture(reference=cut_short, amount=1)
    assert balance(account) == (0, 0, 0)
    assert ledger.expire_due(limit=100) == 1
    assert (lot(reference).expired, lot(reference).consumed) == (9, 1)


def test_a_lot_can_lapse_in_parts(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    reference = grant(account, 10, expires_at=ledger_clock.now + DAY)
    requests = [hold(account, 3), hold(account, 3)]
    ledger_clock.advance(DAY)
    for request in requests:
        assert ledger.expire_due(limit=100) == 1
        ledger.release(reference=request, is_our_failure=False)
    assert ledger.expire_due(limit=100) == 1
    assert lot(reference).expired == 10


def test_a_clock_that_jumps_ahead_and_back_lets_lapse_what_was_written_down_and_nothing_twice(
    ledger_clock: LedgerClock,
) -> None:
    account = uuid4()
    began = ledger_clock.now
    short, long = grant(account, 10, expires_at=began + DAY), grant(account, 5, expires_at=began + 3 * DAY)
    request, other = hold(account, 4), hold(account, 2)
    ledger_clock.set(began + 2 * DAY)
    assert ledger.expire_due(limit=100) == 1
    ledger.release(reference=other)
    ledger_clock.set(began - DAY)
    assert (lot(short).expired, lot(short).remaining, lot(short).held) == (4, 0, 4)
    assert balance(account) == (7, 4, 0)
    ledger.capture(reference=request, amount=3)
    assert balance(account) == (
        8,
        0,
        0,
    )  # 1 came back to the short one, beside goodwill and the long one
    spend(account, 1)
    ledger_clock.set(began + 10 * DAY)
    assert ledger.expire_due(limit=100) == 3
    assert balance(account) == (0, 0, 0)
    assert (lot(short).consumed, lot(short).expired, lot(long).expired) == (3, 5, 5)
