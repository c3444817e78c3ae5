"""What can be read: history by the page, receipts, holds that are still open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import ledger
from billing.models import Hold
from tests.billing.books import FAR_AWAY, LedgerClock, grant, hold, spend

pytestmark = pytest.mark.usefixtures("books")

DAY = timedelta(days=1)


def test_a_history_tells_each_change_and_what_was_there_after_it(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    pack = grant(account, 100, reference="cs_1", reason="pack of 100")
    request = hold(account, 30)
    ledger_clock.advance(DAY)
    ledger.capture(reference=request, amount=20)
    ledger.clawback(reference=pack, target=100, actor="stripe", reason="re_1")
    grant(account, 15, reference="cs_2")
    lines = ledger.movements(account=account)
    assert [
        (
            *(line.seq, line.kind, line.available_change, line.held_change, line.debt_change),
            *(line.available, line.held, line.debt),
        )
        for line in lines
    ] == [
        (5, "grant", 0, 0, -15, 0, 0, 5),
        (4, "clawback", -80, 0, 20, 0, 0, 20),
        (3, "settle", 10, -30, 0, 80, 0, 0),
        (2, "hold", -30, 30, 0, 70, 30, 0),
        (1, "grant", 100, 0, 0, 100, 0, 0),
    ]
    assert (lines[1].actor, lines[1].reason) == ("stripe", "re_1")
    assert (lines[4].reference, lines[4].reason) == ("cs_1", "pack of 100")
    assert lines[2].reference == str(request)
    assert lines[2].created_at - lines[3].created_at == DAY


def test_pages_follow_one_another_without_gap() -> None:
    account = uuid4()
    for _ in range(7):
        grant(account, 1)
    seen: list[int] = []
    while page := ledger.movements(account=account, before=seen[-1] if seen else None, limit=3):
        assert len(page) <= 3
        seen += [line.seq for line in page]
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_a_statement_has_one_line_for_each_request_where_it_ended() -> None:
    account, other = uuid4(), uuid4()
    grant(account, 100)
    first, second, lost = hold(account, 30), hold(account, 20), hold(account, 10)
    ledger.capture(reference=second, amount=15)
    ledger.release(reference=lost)
    lines = ledger.statement(account=account)
    assert [
        (line.movement.kind, line.movement.reference, line.held and line.held.seq, line.captured, line.released)
        for line in lines
    ] == [
        ("settle", str(lost), 4, 0, 10),
        ("settle", str(second), 3, 15, 5),
        ("hold", str(first), None, 0, 0),
        ("grant", lines[3].movement.reference, None, 0, 0),
    ]
    by_seq = {line.seq: line for line in ledger.movements(account=account)}
    shown = [part for line in lines for part in (line.movement, line.held) if part]
    assert {part.seq: part for part in shown} == by_seq
    assert [each for limit in (None, 5, 2) for each in ledger.statement(account=account, before=limit, limit=1)] == [
        lines[0],
        lines[2],
        lines[3],
    ]
    assert ledger.statement(account=other) == []


def test_a_history_is_the_accounts_own() -> None:
    mine, other = uuid4(), uuid4()
    grant(mine, 1)
    grant(other, 2)
    assert [line.available_change for line in ledger.movements(account=mine)] == [1]


def test_a_receipt_tells_the_whole_story(ledger_clock: LedgerClock) -> None:
    account, request = uuid4(), uuid4()
    grant(account, 100)
    quote = {"credits": 40, "parts": [["5 seconds", 30], ["sound", 10]]}
    ledger.hold(account=account, reference=request, amount=40, expires_at=FAR_AWAY, quote=quote)
    held_at = ledger_clock.now
    before = ledger.receipt(reference=request)
    assert before == ledger.Receipt(
        reference=request,
        account=account,
        quoted=quote,
        held=40,
        captured=0,
        released=0,
        state=Hold.State.OPEN,
        held_at=held_at,
        settled_at=None,
    )
    ledger_clock.advance(DAY)
    ledger.capture(reference=request, amount=25)
    after = ledger.receipt(reference=request)
    assert (after.state, after.captured, after.released, after.settled_at) == ("captured", 25, 15, held_at + DAY)


def test_a_quote_that_is_no_json_is_refused_before_anything_is_held() -> None:
    account = uuid4()
    grant(account, 10)
    with pytest.raises(ValueError, match="JSON compliant"):
        ledger.hold(account=account, reference=uuid4(), amount=1, expires_at=FAR_AWAY, quote={"seconds": float("nan")})


def test_open_holds_are_told_oldest_first(ledger_clock: LedgerClock) -> None:
    account = uuid4()
    grant(account, 100)
    requests = []
    for _ in range(4):
        requests.append(hold(account, 1))
        ledger_clock.advance(DAY)
    ledger.release(reference=requests[1])
    told = ledger.open_holds(older_than=ledger_clock.now - DAY)
    assert [each.reference for each in told] == [requests[0], requests[2]]
    assert [each.reference for each in ledger.open_holds(older_than=ledger_clock.now, limit=1)] == [requests[0]]


def test_an_overdue_hold_stays_held_until_somebody_settles_it(ledger_clock: LedgerClock) -> None:
    account, request = uuid4(), uuid4()
    grant(account, 10)
    ledger.hold(account=account, reference=request, amount=10, expires_at=ledger_clock.now + DAY, quote={})
    ledger_clock.advance(30 * DAY)
    ledger.expire_due(limit=100)
    assert ledger.receipt(reference=request).state == "open"
    assert ledger.capture(reference=request).captured == 10


def test_each_answer_is_one_query_whatever_the_history() -> None:
    account = uuid4()
    grant(account, 1000)
    for _ in range(20):
        spend(account, 1)
    request = hold(account, 1)
    now = datetime.now(UTC)
    for ask in (
        lambda: ledger.balance(account=account),
        lambda: ledger.lots(account=account),
        lambda: ledger.movements(account=account),
        lambda: ledger.statement(account=account),
        lambda: ledger.receipt(reference=request),
        lambda: ledger.open_holds(older_than=now),
        lambda: ledger.capture(reference=request),
    ):
        with CaptureQueriesContext(connection) as queries:
            ask()
        assert len(queries) == 1
