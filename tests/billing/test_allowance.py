"""The free credits of the day: once a day, gone at midnight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from pytest_django import Settings

from accounts.models import Workspace
from billing import allowance, ledger
from billing.models import NetworkDay
from tests.billing.books import LedgerClock, balance, grant, hold, lot

pytestmark = pytest.mark.usefixtures("books")

NOON = datetime(2028, 2, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def clock(ledger_clock: LedgerClock) -> LedgerClock:
    ledger_clock.set(NOON)
    return ledger_clock


def test_it_works(clock: LedgerClock) -> None:
    account = uuid4()
    allowance.top_up_daily(account=account, credits=60, now=clock.now)
    assert balance(account) == (60, 0, 0)
    (free,) = ledger.lots(account=account)
    assert (free.kind, free.priority, free.expires_at) == ("free", 10, datetime(2028, 2, 29, tzinfo=UTC))


def test_once_a_day_however_often_it_is_asked(clock: LedgerClock) -> None:
    account = uuid4()
    for _ in range(3):
        allowance.top_up_daily(account=account, credits=60, now=clock.now)
        clock.advance(timedelta(hours=3))
    assert balance(account) == (60, 0, 0)


def test_what_was_spent_is_not_refilled_the_same_day(clock: LedgerClock) -> None:
    account = uuid4()
    allowance.top_up_daily(account=account, credits=60, now=clock.now)
    ledger.capture(reference=hold(account, 50))
    allowance.top_up_daily(account=account, credits=60, now=clock.now)
    assert balance(account) == (10, 0, 0)


def test_each_day_has_its_own_and_yesterdays_is_gone(clock: LedgerClock) -> None:
    account = uuid4()
    for _ in range(4):  # over a leap day
        allowance.top_up_daily(account=account, credits=60, now=clock.now)
        assert balance(account) == (60, 0, 0)
        clock.advance(DAY)
    assert balance(account) == (0, 0, 0)


def test_a_changed_allowance_counts_from_tomorrow(clock: LedgerClock) -> None:
    account = uuid4()
    allowance.top_up_daily(account=account, credits=60, now=clock.now)
    allowance.top_up_daily(account=account, credits=100, now=clock.now)
    assert balance(account) == (60, 0, 0)
    allowance.top_up_daily(account=account, credits=100, now=clock.advance(DAY))
    assert balance(account) == (100, 0, 0)


def test_another_process_with_another_idea_of_how_many_may_win(
    clock: LedgerClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gave today's after we looked and before we granted; the caller's transaction goes on."""
    account = uuid4()

    allowance.top_up_daily(account=account, credits=100, now=clock.now)
    monkeypatch.setattr(allowance, "_issued", lambda *_: {})
    allowance.top_up_daily(account=account, credits=60, now=clock.now)
    assert balance(account) == (100, 0, 0)


def test_an_allowance_of_nothing_opens_nothing() -> None:
    account = uuid4()
    allowance.top_up_daily(account=account, credits=0, now=NOON)
    assert ledger.movements(account=account) == []


def test_it_is_spent_before_what_was_bought(clock: LedgerClock) -> None:
    account = uuid4()
    bought = grant(account, 100)
    allowance.top_up_daily(account=account, credits=60, now=clock.now)
    hold(account, 70)
    assert lot(bought).held == 10


# --- more for whoever signed in ----------------------------------------------------------------------------------


def workspace(kind: str = Workspace.Kind.VISITOR) -> Workspace:
    return Workspace.objects.create(kind=kind)


def test_a_visitor_gets_some_who_signed_in_gets_more_and_a_team_none(clock: LedgerClock, settings: Settings) -> None:
    settings.FREE_DAILY_CREDITS, settings.SIGNED_IN_DAILY_CREDITS = 60, 150
    given = {}
    for kind in Workspace.Kind:
        one = workspace(kind)
        assert allowance.give(one, now=clock.now)
        given[kind] = balance(one.id)[0]
    assert given == {"visitor": 60, "personal": 150, "team": 0}
    assert (allowance.daily_credits(None), allowance.daily_credits(None, is_signed_in=True)) == (60, 150)
    settings.SIGNED_IN_DAILY_CREDITS = 0
    assert allowance.daily_credits(workspace(Workspace.Kind.PERSONAL)) == 60  # nobody loses by signing in


def test_who_signs_in_during_the_day_gets_the_rest_at_once_and_only_once(
    clock: LedgerClock, settings: Settings
) -> None:
    settings.FREE_DAILY_CREDITS, settings.SIGNED_IN_DAILY_CREDITS = 60, 150
    one = workspace()
    allowance.give(one, now=clock.now)
    ledger.capture(reference=hold(one.id, 50))
    one.kind = Workspace.Kind.PERSONAL
    for _ in range(2):
        allowance.give(one, now=clock.now)
    assert balance(one.id) == (100, 0, 0)
    allowance.give(one, now=clock.advance(DAY))
    assert balance(one.id) == (150, 0, 0)


# --- a bound for each network ------------------------------------------------------------------------------------


def test_a_network_has_so_many_allowances_a_day(clock: LedgerClock, settings: Settings) -> None:
    settings.ALLOWANCES_PER_NETWORK_PER_DAY = 2
    visitors = [workspace() for _ in range(3)]
    assert [allowance.give(one, now=clock.now, network="a") for one in visitors] == [True, True, False]
    assert [balance(one.id)[0] for one in visitors] == [60, 60, 0]
    assert allowance.give(visitors[0], now=clock.now, network="a")  # who had them has them
    assert NetworkDay.objects.get(network="a").allowances == 2
    assert allowance.give(visitors[2], now=clock.now, network="b")
    assert allowance.give(workspace(), now=clock.advance(DAY), network="a")
    allowance.forget_networks(clock.now)
    assert NetworkDay.objects.get().allowances == 1


def test_who_signed_in_does_not_count_with_the_network(clock: LedgerClock, settings: Settings) -> None:
    settings.ALLOWANCES_PER_NETWORK_PER_DAY = 1
    allowance.give(workspace(), now=clock.now, network="a")
    assert allowance.give(workspace(Workspace.Kind.PERSONAL), now=clock.now, network="a")


@pytest.mark.parametrize(
    ("now", "refill"),
    [
        (NOON, datetime(2028, 2, 29, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2027, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
        (datetime(2028, 6, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), datetime(2028, 6, 1, tzinfo=UTC)),
    ],
)
def test_the_day_is_that_of_utc(now: datetime, refill: datetime) -> None:
    assert allowance.refills_at(now) == refill
