"""Staff gives and takes, by name and with a reason."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from billing import ledger
from billing.ledger import Adjusted, LotKind
from billing.models import Transaction
from tests.billing.books import balance, grant, hold, lot, spend

pytestmark = pytest.mark.usefixtures("books")

SIGNED = {"actor": "ada@example.org", "reason": "clip was black"}


def test_giving_makes_a_lot_of_its_own() -> None:
    account = uuid4()
    assert ledger.adjust(account=account, reference="ticket-1", amount=25, **SIGNED) == Adjusted(25, paid_debt=0)
    assert balance(account) == (25, 0, 0)
    assert (lot("ticket-1").kind, lot("ticket-1").priority, lot("ticket-1").expires_at) == ("adjustment", 30, None)


def test_giving_pays_debt_first() -> None:
    account = uuid4()
    refunded = grant(account, 10)
    spend(account, 10)
    ledger.clawback(reference=refunded, target=10)
    assert ledger.adjust(account=account, reference="ticket-1", amount=25, **SIGNED) == Adjusted(25, paid_debt=10)


def test_taking_goes_in_draw_order_and_leaves_what_is_held() -> None:
    account = uuid4()
    bought, given = grant(account, 10), grant(account, 10, kind=LotKind.FREE)
    hold(account, 4)
    assert ledger.adjust(account=account, reference="ticket-1", amount=-8, **SIGNED) == Adjusted(-8, paid_debt=0)
    assert (lot(given).adjusted, lot(bought).adjusted) == (6, 2)
    assert balance(account) == (8, 4, 0)


def test_all_there_is_can_be_taken_and_not_one_more() -> None:
    account = uuid4()
    grant(account, 10)
    with pytest.raises(ledger.NotEnoughCredits) as refused:
        ledger.adjust(account=account, reference="ticket-1", amount=-11, **SIGNED)
    assert (refused.value.available, refused.value.needed) == (10, 11)
    ledger.adjust(account=account, reference="ticket-2", amount=-10, **SIGNED)
    assert balance(account) == (0, 0, 0)


def test_who_and_why_stand_in_the_history() -> None:
    account = uuid4()
    ledger.adjust(account=account, reference="ticket-1", amount=25, **SIGNED)
    ledger.adjust(account=account, reference="ticket-2", amount=-5, **SIGNED)
    for line in Transaction.objects.filter(account=account):
        assert {"actor": line.actor, "reason": line.reason} == SIGNED
    assert Transaction.objects.get(reference="ticket-2").request == {"amount": -5}


@pytest.mark.parametrize("amount", [25, -5])
def test_the_same_adjustment_again_changes_nothing(amount: int) -> None:
    account = uuid4()
    grant(account, 10)
    ask: dict[str, Any] = {"account": account, "reference": "ticket-1", "amount": amount, **SIGNED}
    assert ledger.adjust(**ask) == ledger.adjust(**ask)
    assert balance(account) == (10 + amount, 0, 0)


@pytest.mark.parametrize(("first", "second"), [(5, 6), (5, -5), (-5, 5), (-5, -6)])
def test_a_reference_stands_for_one_adjustment(first: int, second: int) -> None:
    account = uuid4()
    grant(account, 10)
    ledger.adjust(account=account, reference="ticket-1", amount=first, **SIGNED)
    with pytest.raises(ledger.ReferenceReused, match="ticket-1"), transaction.atomic():
        ledger.adjust(account=account, reference="ticket-1", amount=second, **SIGNED)


def test_nothing_is_no_adjustment() -> None:
    with pytest.raises(ledger.InvalidAmount, match="positive"), transaction.atomic():
        ledger.adjust(account=uuid4(), reference="ticket-1", amount=0, **SIGNED)


@pytest.mark.parametrize("missing", ["actor", "reason"])
def test_nobody_adjusts_without_name_and_reason(missing: str) -> None:
    with pytest.raises(ValueError, match="actor and reason"):
        ledger.adjust(account=uuid4(), reference="ticket-1", amount=5, **SIGNED | {missing: "  "})
