"""Granting, holding, charging and giving back, one rule a test."""

from __future__ import annotations

import pytest

from billing import ledger
from tests.billing.books import account_with, hold

pytestmark = pytest.mark.usefixtures("books")


def test_it_works() -> None:
    account = account_with(100)
    reference = hold(account, 30)
    assert ledger.balance(account=account) == ledger.Balance(available=70, held=30, debt=0)
    assert ledger.capture(reference=reference, amount=20) == ledger.Settled(captured=20, released=10)
    assert ledger.balance(account=account) == ledger.Balance(available=80, held=0, debt=0)
    receipt = ledger.receipt(reference=reference)
    assert (receipt.state, receipt.held, receipt.captured, receipt.released) == ("captured", 30, 20, 10)
    lines = ledger.movements(account=account)
    assert [(line.kind, line.available_change, line.available) for line in lines] == [
        ("settle", 10, 80),
        ("hold", -30, 70),
        ("grant", 100, 100),
    ]
