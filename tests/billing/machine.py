"""A state machine that does to the ledger whatever can be done to it, and to the model the same."""

from __future__ import annotations

from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from psycopg.pq import TransactionStatus

from tests.billing.books import assert_books_are_right
from tests.billing.ledger_vs_model import LedgerVsModel

accounts = st.integers(0, 2)
amounts = st.integers(1, 40)
choices = st.integers(0, 20)


class LedgerMachine(RuleBasedStateMachine):
    """Runs inside a test's transaction; each example leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.both = LedgerVsModel()

    def teardown(self) -> None:
        try:
            if connection.connection.info.transaction_status != TransactionStatus.INERROR:
                assert_books_are_right()
        finally:
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    @initialize(amount=amounts, lifetime=choices)
    def begin_with_some(self, amount: int, lifetime: int) -> None:
        for account in range(2):
            self.both.grant(account, amount + account, account, lifetime)

    @rule(account=accounts, amount=amounts, kind=choices, lifetime=choices)
    def grant(self, account: int, amount: int, kind: int, lifetime: int) -> None:
        self.both.grant(account, amount, kind, lifetime)

    @rule(account=accounts, fifths=st.integers(0, 6))
    def hold(self, account: int, fifths: int) -> None:
        self.both.hold(account, fifths)

    @rule(which=choices, thirds=st.integers(-2, 4))
    def settle(self, which: int, thirds: int) -> None:
        if thirds >= 0:
            self.both.capture(which, thirds)
        else:
            self.both.release(which, is_our_failure=thirds == -1)

    @rule(which=choices)
    def ask_again(self, which: int) -> None:
        self.both.settle_again(which)
        self.both.ask_again(which)

    @rule(which=choices, quarters=st.integers(0, 4))
    def clawback(self, which: int, quarters: int) -> None:
        self.both.clawback(which, quarters)

    @rule(which=choices, halves=st.integers(0, 3))
    def write_off(self, which: int, halves: int) -> None:
        self.both.write_off(which, halves)

    @rule(account=accounts, fifths=st.integers(-40, 6))
    def adjust(self, account: int, fifths: int) -> None:
        if fifths < 0:
            self.both.give(account, -fifths)
        else:
            self.both.withdraw(account, fifths)

    @rule(source=accounts, into=accounts)
    def merge(self, source: int, into: int) -> None:
        self.both.merge(source, into)

    @rule(which=choices, is_written_down=st.booleans())
    def let_time_pass(self, which: int, is_written_down: bool) -> None:
        self.both.wait(which)
        if is_written_down:
            self.both.expire_due()

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        self.both.compare()
