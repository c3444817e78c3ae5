"""The ledger and its model, asked the same at every step and compared lot by lot after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from billing import ledger
from billing.models import Hold, Lot
from tests.billing.books import FAR_AWAY, LedgerClock
from tests.billing.model import Model, ModelLot

START = datetime(2028, 2, 27, 22, 30, tzinfo=UTC)  # a leap day is near
COLUMNS = ("issued", "remaining", "held", "consumed", "expired", "clawed", "adjusted", "moved", "repaid", "forgiven")
LIFETIMES = (None, timedelta(hours=2), timedelta(days=1), timedelta(days=9))
WAITS = (timedelta(hours=1), timedelta(hours=2), timedelta(days=1), timedelta(days=8), timedelta(hours=-3))
ACCOUNTS = 3


@dataclass
class Call:
    """Something that was asked and answered, and changes of the request under which it must be refused."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    answer: Any
    twists: tuple[dict[str, Any], ...]


class LedgerVsModel:
    """Does one thing at a time to both. Numbers choose among what there is, so that any number is a valid choice.

    Must live inside a transaction that is rolled back in the end.
    """

    def __init__(self) -> None:
        self.clock = LedgerClock.install(START)
        self.model = Model(START)
        self.numbers = 0
        self.accounts = [self._id() for _ in range(ACCOUNTS)]
        self.grants: list[tuple[str, int]] = []
        self.calls: list[Call] = []

    def grant(self, number: int, amount: int, kind: int, lifetime: int) -> None:
        lot_kind = list(ledger.LotKind)[kind % len(ledger.LotKind)]
        expires_in = LIFETIMES[lifetime % len(LIFETIMES)]
        terms: dict[str, Any] = {
            "account": self._account(number),
            "reference": self._reference(),
            "amount": amount,
            "kind": lot_kind,
            "expires_at": None if expires_in is None else self.model.now + expires_in,
        }
        paid = self.model.grant(**terms, priority=ledger.PRIORITIES[lot_kind])
        answer = self._ask(ledger.grant, terms, {"amount": amount + 1}, {"account": self._account(number + 1)})
        assert (answer.amount, answer.paid_debt) == (amount, paid)
        self.grants.append((terms["reference"], amount))

    def hold(self, number: int, fifths: int) -> None:
        """Hold so many fifths of what is available; more than five are too much."""
        account = self._account(number)
        amount = self.model.available(account) * fifths // 5 + (fifths > 5 or fifths == 0)
        amount = max(1, amount)
        terms: dict[str, Any] = {
            "account": account,
            "reference": self._id(),
            "amount": amount,
            "expires_at": FAR_AWAY,
            "quote": {"credits": amount},
        }
        available = self.model.available(account)
        if available < amount:
            with pytest.raises(ledger.NotEnoughCredits) as refused:
                ledger.hold(**terms)
            assert (refused.value.available, refused.value.needed) == (available, amount)
        else:
            self.model.hold(account, terms["reference"], amount)
            twist = {"account": self._account(number + 1)}
            assert self._ask(ledger.hold, terms, {"amount": amount + 1}, {"quote": {}}, twist) == ledger.Held(
                terms["reference"], amount
            )

    def capture(self, which: int, thirds: int) -> None:
        """Charge so many thirds of an open hold; four are the whole without saying how much that is."""
        for reference in self._open_hold(which):
            held = self.model.holds[reference].amount
            amount = None if thirds > 3 else held * thirds // 3
            with pytest.raises(ledger.InvalidAmount), transaction.atomic():
                ledger.capture(reference=reference, amount=held + 1)
            expected = ledger.Settled(*self.model.settle(reference, amount, is_our_failure=False))
            assert self._ask(ledger.capture, {"reference": reference, "amount": amount}) == expected

    def release(self, which: int, is_our_failure: bool) -> None:
        for reference in self._open_hold(which):
            expected = ledger.Settled(*self.model.settle(reference, 0, is_our_failure=is_our_failure))
            assert self._ask(ledger.release, {"reference": reference, "is_our_failure": is_our_failure}) == expected

    def settle_again(self, which: int) -> None:
        """Whoever comes second reads what the first decided."""
        settled = [reference for reference, hold in self.model.holds.items() if hold.state != "open"]
        for reference in _pick(settled, which):
            decided = ledger.Settled(self.model.holds[reference].captured, self.model.holds[reference].released)
            assert ledger.capture(reference=reference) == decided
            assert ledger.release(reference=reference) == decided

    def clawback(self, which: int, quarters: int) -> None:
        for reference, amount in _pick(self.grants, which):
            target = amount * quarters // 4
            expected = ledger.ClawedBack(target, *self.model.clawback(reference, target))
            assert ledger.clawback(reference=reference, target=target) == expected
            assert ledger.clawback(reference=reference, target=target) == ledger.ClawedBack(target, 0, 0)
            with pytest.raises(ledger.InvalidAmount), transaction.atomic():
                ledger.clawback(reference=reference, target=amount + 1)

    def write_off(self, which: int, halves: int) -> None:
        """Give up so many halves of what is owed for a grant; more than two are too much."""
        for grant, _ in _pick([one for one in self.grants if self._owed(one[0])] or self.grants, which):
            owed = self._owed(grant)
            amount = max(1, owed * halves // 2)
            terms: dict[str, Any] = {"grant": grant, "reference": self._reference(), "amount": amount}
            terms |= {"actor": "staff", "reason": "because"}
            if amount > owed:
                with pytest.raises(ledger.NotOwed) as refused:
                    ledger.write_off(**terms)
                assert (refused.value.owed, refused.value.needed) == (owed, amount)
                continue
            self.model.write_off(self._root(grant), amount)
            expected = ledger.WrittenOff(amount, owed - amount)
            assert self._ask(ledger.write_off, terms, {"amount": amount + 1}) == expected

    def _root(self, grant: str) -> ModelLot:
        return next(lot for lot in self.model.lots if lot.reference == grant)

    def _owed(self, grant: str) -> int:
        return self.model.owed(self._root(grant))

    def give(self, number: int, amount: int) -> None:
        account, reference = self._account(number), self._reference()
        paid = self.model.grant(account, reference, amount, "adjustment", 30, None)
        assert self._adjust(account, reference, amount) == ledger.Adjusted(amount, paid)
        self.grants.append((reference, amount))

    def withdraw(self, number: int, fifths: int) -> None:
        account, reference = self._account(number), self._reference()
        amount = max(1, self.model.available(account) * fifths // 5)
        available = self.model.available(account)
        if available < amount:
            with pytest.raises(ledger.NotEnoughCredits) as refused:
                self._adjust(account, reference, -amount)
            assert (refused.value.available, refused.value.needed) == (available, amount)
        else:
            self.model.withdraw(account, amount)
            assert self._adjust(account, reference, -amount) == ledger.Adjusted(-amount, 0)

    def merge(self, source: int, into: int) -> None:
        here, there = self._account(source), self._account(into)
        terms: dict[str, Any] = {"source": here, "into": there, "reference": self._reference()}
        if self.model.leads_to(there, here) or self.model.merged.get(here, there) != there:
            with pytest.raises(ledger.ReferenceReused), transaction.atomic():
                ledger.merge(**terms)
        else:
            assert self._ask(ledger.merge, terms) == self.model.merge(here, there)

    def wait(self, which: int) -> None:
        self.model.now = self.clock.advance(WAITS[which % len(WAITS)])

    def expire_due(self) -> None:
        assert ledger.expire_due(limit=1000) == self.model.expire_due()

    def ask_again(self, which: int) -> None:
        """The same request under the same reference is answered as before, and another one refused."""
        for call in _pick(self.calls, which):
            assert call.function(**call.arguments) == call.answer
            for twist in call.twists:
                with pytest.raises(ledger.ReferenceReused), transaction.atomic():
                    call.function(**call.arguments | twist)

    def compare(self) -> None:
        """Every lot, account and hold is as the model has it."""
        lots = Lot.objects.filter(account__in=self.accounts).order_by("id")
        theirs = list(lots.values_list("account", "reference", "kind", "priority", "expires_at", *COLUMNS))
        ours = [
            (
                *(lot.account, lot.reference, lot.kind, lot.priority, lot.expires_at),
                *(getattr(lot, column) for column in COLUMNS),
            )
            for lot in self.model.lots
        ]
        assert theirs == ours
        for account in self.accounts:
            assert ledger.balance(account=account) == ledger.Balance(
                self.model.available(account), self.model.held(account), self.model.debt.get(account, 0)
            )
            in_draw_order = [lot.reference for lot in ledger.lots(account=account)]
            assert in_draw_order == [lot.reference for lot in self.model.live(account)]
            owing = {lot.reference: self.model.owed(lot) for lot in self.model.lots if self._leads(lot, account)}
            assert {debt.grant: debt.owed for debt in ledger.debts(account=account, limit=1_000)} == {
                reference: owed for reference, owed in owing.items() if owed
            }
        holds = Hold.objects.filter(account__in=self.accounts)
        assert set(holds.values_list("id", "account", "amount", "state", "captured", "released")) == {
            (reference, hold.account, hold.amount, hold.state, hold.captured, hold.released)
            for reference, hold in self.model.holds.items()
        }

    def _leads(self, lot: ModelLot, account: UUID) -> bool:
        return account not in self.model.merged and self.model.leads_to(lot.account, account)

    def step(self, random: Random) -> None:
        """One thing chosen by chance, the common more often, and the comparison."""
        what, which, many = random.randrange(12), random.randrange(100), random.randint(1, 40)
        steps: dict[str, Callable[[], None]] = {
            "grant": lambda: self.grant(what, many, which, what),
            "hold": lambda: self.hold(what, many % 7),
            "capture": lambda: self.capture(which, many % 5),
            "release": lambda: self.release(which, bool(what % 2)),
            "settle_again": lambda: self.settle_again(which),
            "clawback": lambda: self.clawback(which, many % 5),
            "write_off": lambda: self.write_off(which, many % 4),
            "give": lambda: self.give(what, many),
            "withdraw": lambda: self.withdraw(what, many % 7),
            "merge": lambda: self.merge(what, what + 1 + many % 2),
            "wait": lambda: self.wait(which),
            "expire_due": self.expire_due,
            "ask_again": lambda: self.ask_again(which),
        }
        steps[random.choice(STEPS)]()
        self.compare()

    def _ask(self, function: Callable[..., Any], arguments: dict[str, Any], *twists: dict[str, Any]) -> Any:
        answer = function(**arguments)
        self.calls.append(Call(function, arguments, answer, twists))
        return answer

    def _adjust(self, account: UUID, reference: str, amount: int) -> Any:
        terms: dict[str, Any] = {
            "account": account,
            "reference": reference,
            "amount": amount,
            "actor": "staff",
            "reason": "because",
        }
        return self._ask(
            ledger.adjust, terms, {"amount": -amount}, {"amount": amount + 1 if amount > 0 else amount - 1}
        )

    def _open_hold(self, which: int) -> list[UUID]:
        return _pick([reference for reference, hold in self.model.holds.items() if hold.state == "open"], which)

    def _account(self, number: int) -> UUID:
        return self.accounts[number % ACCOUNTS]

    def _reference(self) -> str:
        self.numbers += 1
        return f"reference:{self.numbers}"

    def _id(self) -> UUID:
        self.numbers += 1
        return UUID(int=self.numbers)


STEPS = (
    *(["grant"] * 4 + ["hold"] * 6 + ["capture"] * 3 + ["release"] * 3 + ["clawback"] * 4 + ["wait"] * 2),
    *("settle_again", "give", "withdraw", "expire_due", "ask_again", "ask_again", "merge"),
    *(["write_off"] * 2),
)


def _pick(among: list[Any], which: int) -> list[Any]:
    """The ``which``-th, counting round; nothing where there is none."""
    return [among[which % len(among)]] if among else []
