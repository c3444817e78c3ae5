"""Several at once: whoever holds an account's lock decides, the others see what was decided."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.billing import racer
from tests.billing.ledger_database import LedgerDatabase
from tests.billing.mutants import functions
from tests.patience import PATIENCE_SECONDS, wait_until

RACERS = 4


def test_processes_that_share_references_and_little_credit_leave_the_books_right(
    ledger_db: LedgerDatabase,
) -> None:
    with ledger_db.connect() as connection:
        connection.execute(*grant(racer.ACCOUNTS[0], len(racer.HELD_BEFORE)))
        for reference in racer.HELD_BEFORE:
            connection.execute(*hold(racer.ACCOUNTS[0], 1, reference))
    racers = [ledger_db.start("tests.billing.racer", seed) for seed in range(RACERS)]
    results = []
    for process in racers:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err[-2000:]
        results.append(json.loads(out))
    answers: dict[str, list[Any]] = {}
    for result in results:
        for reference, given in result["answers"].items():
            answers.setdefault(reference, []).extend(given)
    assert {reference: given for reference, given in answers.items() if any(each != given[0] for each in given)} == {}
    for result in results:
        assert result["outcomes"]["NotEnoughCredits"] >= racer.CERTAINLY_REFUSED > 10
        assert result["outcomes"]["settle"] >= len(racer.HELD_BEFORE)
    assert ledger_db.violations() == []


# --- two at once, one statement at a time ---

Ask = tuple[str, tuple[Any, ...]]


def grant(account: UUID, amount: int, reference: str = "") -> Ask:
    terms = (account, reference or str(uuid4()), amount)
    return "SELECT ledger_grant(%s, %s, %s, 'pack', 50::smallint, NULL, '', '')", terms


def hold(account: UUID, amount: int, reference: UUID | None = None) -> Ask:
    return "SELECT ledger_hold(%s, %s, %s, now() + interval '1 day', '{}')", (account, reference or uuid4(), amount)


def settle(reference: UUID, amount: int) -> Ask:
    return "SELECT ledger_settle(%s, %s, true)", (reference, amount)


def merge(source: UUID, into: UUID) -> Ask:
    return "SELECT ledger_merge(%s, %s, %s)", (source, into, str(source))


def withdraw(account: UUID, amount: int, reference: str = "") -> Ask:
    return "SELECT ledger_withdraw(%s, %s, %s, 'staff', 'because')", (account, reference or str(uuid4()), amount)


def ask(connection: psycopg.Connection, question: Ask) -> Any:
    (answer,) = connection.execute(*question).fetchone() or (None,)
    return answer


class Contest:
    """``first`` has done its part and not committed; ``second`` asks meanwhile."""

    def __init__(self, ledger_db: LedgerDatabase) -> None:
        self.first, self.second, self.third, self.watcher = (ledger_db.connect() for _ in range(4))

    def close(self) -> None:
        for connection in (self.first, self.second, self.third, self.watcher):
            connection.close()

    def before(self, *questions: Ask) -> None:
        for question in questions:
            ask(self.first, question)

    def run(self, first: Ask, second: Ask) -> tuple[Any, Any]:
        """Both answers, the second asked before the first committed and answered after."""
        answers: list[Any] = []

        def follow() -> None:
            try:
                answers.append(ask(self.second, second))
            except psycopg.Error as error:
                answers.append(error.sqlstate)

        with self.first.transaction():
            mine = ask(self.first, first)
            follower = threading.Thread(target=follow)
            follower.start()
            self.await_waiting(self.second, lambda: not follower.is_alive())
        follower.join(timeout=PATIENCE_SECONDS)
        return mine, answers[0]

    def unhindered(self, first: Ask, second: Ask) -> Any:
        """The second's answer, given while the first still has not committed."""
        with self.first.transaction():
            ask(self.first, first)
            self.second.execute("SET lock_timeout = '200ms'")
            try:
                return ask(self.second, second)
            except psycopg.errors.LockNotAvailable as error:
                return error.sqlstate
            finally:
                self.second.execute("SET lock_timeout = '20s'")

    def await_waiting(self, whose: psycopg.Connection, is_over: Callable[[], bool] = lambda: False) -> None:
        waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
        wait_until(
            lambda: self.watcher.execute(waits, (whose.info.backend_pid,)).fetchone() == (True,) or is_over(),
            what=lambda: "a wait, nor an end",
        )


@pytest.fixture
def contest(ledger_db: LedgerDatabase) -> Iterator[Contest]:
    contest = Contest(ledger_db)
    yield contest
    contest.close()


def two_holds(contest: Contest) -> None:
    account = uuid4()
    contest.before(grant(account, 15))
    assert contest.run(hold(account, 10), hold(account, 10)) == (
        {"held": 10},
        {"refused": "insufficient", "available": 5, "needed": 10},
    )


def the_same_hold_twice(contest: Contest) -> None:
    account, reference = uuid4(), uuid4()
    contest.before(grant(account, 15))
    assert contest.run(hold(account, 10, reference), hold(account, 10, reference)) == ({"held": 10}, {"held": 10})


def the_same_grant_twice(contest: Contest) -> None:
    account = uuid4()
    first, second = contest.run(grant(account, 10, f"order {account}"), grant(account, 10, f"order {account}"))
    assert first == second
    assert first["amount"] == 10


def two_withdrawals(contest: Contest) -> None:
    account = uuid4()
    contest.before(grant(account, 15))
    _, second = contest.run(withdraw(account, 10), withdraw(account, 10))
    assert second == {"refused": "insufficient", "available": 5, "needed": 10}


def charge_against_release(contest: Contest) -> None:
    account, reference = uuid4(), uuid4()
    contest.before(grant(account, 15), hold(account, 10, reference))
    decided = {"captured": 4, "released": 6}
    assert contest.run(settle(reference, 4), settle(reference, 0)) == (decided, decided)


def a_grant_answered_before_does_not_wait(contest: Contest) -> None:
    account = uuid4()
    contest.before(grant(account, 10, f"order {account}"))
    assert contest.unhindered(hold(account, 1), grant(account, 10, f"order {account}"))["amount"] == 10


def a_hold_answered_before_does_not_wait(contest: Contest) -> None:
    account, reference = uuid4(), uuid4()
    contest.before(grant(account, 10), hold(account, 5, reference))
    assert contest.unhindered(hold(account, 1), hold(account, 5, reference)) == {"held": 5}


def a_settled_hold_does_not_wait(contest: Contest) -> None:
    account, reference = uuid4(), uuid4()
    contest.before(grant(account, 10), hold(account, 5, reference), settle(reference, 5))
    assert contest.unhindered(hold(account, 1), settle(reference, 0)) == {"captured": 5, "released": 0}


def expiry_passes_busy_accounts_by(contest: Contest) -> None:
    account = uuid4()
    sql, terms = grant(account, 10)
    contest.before((sql.replace("NULL", "now() - interval '1 day'"), terms), grant(account, 10))
    expire: Ask = "SELECT ledger_expire_due(100)", ()
    assert contest.unhindered(hold(account, 1), expire) == 0
    assert ask(contest.first, expire) == 1


def two_whose_credits_came_by_accounts_of_one_tree(contest: Contest) -> None:
    """Both settle: one with credits that passed an account in which credits of the other's began."""
    first, between, late, own = sorted(uuid4() for _ in range(4))
    through, from_there = uuid4(), uuid4()
    contest.before(
        *(grant(account, 10) for account in (first, between, late)),
        *(merge(source, into) for source, into in ((between, own), (late, own), (first, between))),
        *(hold(own, 15, from_there), hold(own, 10, through)),  # drawn from between and late, and from late and first
    )
    with ThreadPoolExecutor(2) as both:
        with contest.third.transaction():
            contest.third.execute("SELECT FROM ledger_account WHERE id = %s FOR NO KEY UPDATE", (late,))
            settled = [both.submit(ask, contest.first, settle(through, 0))]
            contest.await_waiting(contest.first)
            settled.append(both.submit(ask, contest.second, settle(from_there, 0)))
            contest.await_waiting(contest.second)
        assert [one.result(PATIENCE_SECONDS)["released"] for one in settled] == [10, 15]


def a_settlement_that_reaches_an_account_upstream_which_is_granted_to(contest: Contest) -> None:
    """Both come to the two accounts: in one order, or they would end in a deadlock."""
    upstream, own, reference = uuid4(), uuid4(), uuid4()
    contest.before(grant(own, 5), grant(upstream, 10), merge(upstream, own), hold(own, 15, reference))
    with ThreadPoolExecutor(2) as both:
        with contest.third.transaction():
            contest.third.execute("SELECT FROM ledger_account WHERE id = %s FOR NO KEY UPDATE", (own,))
            settled = both.submit(ask, contest.first, settle(reference, 0))
            contest.await_waiting(contest.first)
            granted = both.submit(ask, contest.second, grant(upstream, 20))
            contest.await_waiting(contest.second)
        assert settled.result(PATIENCE_SECONDS)["released"] == 15
        assert granted.result(PATIENCE_SECONDS)["amount"] == 20


SCENES = (
    *(two_holds, the_same_hold_twice, the_same_grant_twice, two_withdrawals, charge_against_release),
    *(a_grant_answered_before_does_not_wait, a_hold_answered_before_does_not_wait, a_settled_hold_does_not_wait),
    *(expiry_passes_busy_accounts_by, two_whose_credits_came_by_accounts_of_one_tree),
    a_settlement_that_reaches_an_account_upstream_which_is_granted_to,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_that(scene: Callable[[Contest], None], contest: Contest, ledger_db: LedgerDatabase) -> None:
    scene(contest)
    assert ledger_db.violations() == []


LOOK_AGAIN = "SELECT * INTO hold FROM ledger_hold WHERE id = p_id;\n    END IF;"
ANSWERED = "IF answer IS NOT NULL THEN RETURN answer; END IF;"
CARELESS = (
    ("ledger_lock", "FOR NO KEY UPDATE", "", two_holds),
    ("ledger_lock", "FOR NO KEY UPDATE", "", charge_against_release),
    ("ledger_hold", "account := ledger_lock(p_account);", "", two_holds),
    ("ledger_withdraw", "account := ledger_lock(p_account);", "", two_withdrawals),
    (
        "ledger_settle",
        "SELECT * INTO hold FROM ledger_hold WHERE id = p_id;\n    END IF;",
        "END IF;",
        charge_against_release,
    ),
    ("ledger_settle", "IF hold.state = 'open' THEN", "IF true THEN", a_settled_hold_does_not_wait),
    (
        "ledger_settle",
        "source.parent_id IS NOT NULL",
        "false",
        a_settlement_that_reaches_an_account_upstream_which_is_granted_to,
    ),
    ("ledger_hold", f"BEGIN\n    {ANSWERED}", "BEGIN", a_hold_answered_before_does_not_wait),
    ("ledger_hold", f"p_id::text, request);\n    {ANSWERED}", "p_id::text, request);", the_same_hold_twice),
    ("ledger_grant", f"BEGIN\n    {ANSWERED}", "BEGIN", a_grant_answered_before_does_not_wait),
    ("ledger_grant", f"p_reference, request);\n    {ANSWERED}", "p_reference, request);", the_same_grant_twice),
    ("ledger_expire_due", "SKIP LOCKED", "", expiry_passes_busy_accounts_by),
    ("ledger_expire_due", "CONTINUE WHEN NOT FOUND;", "", expiry_passes_busy_accounts_by),
)


@pytest.mark.parametrize(("function", "careful", "careless", "scene"), CARELESS)
def test_a_kernel_that_is_careless_about_others_is_noticed(
    function: str,
    careful: str,
    careless: str,
    scene: Callable[[Contest], None],
    contest: Contest,
    ledger_db: LedgerDatabase,
) -> None:
    text = functions()[function]
    assert careful in text
    contest.watcher.execute(text.replace(careful, careless))
    try:
        with pytest.raises((AssertionError, psycopg.Error, TypeError)):
            scene(contest)
    finally:
        contest.watcher.execute(text)
