"""The ledger again, in plain Python over plain objects: what the database must agree with, lot by lot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

WEEK = timedelta(days=7)
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class ModelLot:
    account: UUID
    reference: str
    kind: str
    priority: int
    expires_at: datetime | None
    parent: ModelLot | None = None
    issued: int = 0
    remaining: int = 0
    held: int = 0
    consumed: int = 0
    expired: int = 0
    clawed: int = 0
    adjusted: int = 0
    moved: int = 0
    repaid: int = 0
    forgiven: int = 0

    def is_live(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now

    @property
    def root(self) -> ModelLot:
        """The grant that it came from."""
        return self if self.parent is None else self.parent.root

    def descends_from(self, root: ModelLot) -> bool:
        return self is root or (self.parent is not None and self.parent.descends_from(root))


@dataclass
class ModelHold:
    account: UUID
    amount: int
    draws: list[tuple[ModelLot, int]]
    state: str = "open"
    captured: int = 0
    released: int = 0


@dataclass
class Model:
    now: datetime
    lots: list[ModelLot] = field(default_factory=list)
    holds: dict[UUID, ModelHold] = field(default_factory=dict)
    debt: dict[UUID, int] = field(default_factory=dict)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    returned: list[tuple[ModelLot, int]] = field(default_factory=list)

    def live(self, account: UUID) -> list[ModelLot]:
        """Lots that can be drawn on, first to last."""
        mine = [lot for lot in self.lots if lot.account == account and lot.remaining and lot.is_live(self.now)]
        return sorted(mine, key=lambda lot: (lot.priority, lot.expires_at or NEVER, self.lots.index(lot)))

    def available(self, account: UUID) -> int:
        return sum(lot.remaining for lot in self.live(account))

    def held(self, account: UUID) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.account == account and hold.state == "open")

    def grant(
        self, account: UUID, reference: str, amount: int, kind: str, priority: int, expires_at: datetime | None
    ) -> int:
        """Returns what went into debt."""
        paid = self._arrive(ModelLot(account, reference, kind, priority, expires_at), amount)
        self._forward(account)
        return paid

    def hold(self, account: UUID, reference: UUID, amount: int) -> None:
        draws = self._draw(account, amount)
        for lot, drawn in draws:
            lot.held += drawn
        self.holds[reference] = ModelHold(account, amount, draws)

    def settle(self, reference: UUID, amount: int | None, *, is_our_failure: bool) -> tuple[int, int]:
        hold = self.holds[reference]
        if hold.state == "open":
            hold.captured = hold.amount if amount is None else amount
            hold.released = hold.amount - hold.captured
            hold.state = "captured" if hold.captured else "released"
            uncharged = hold.captured
            for lot, drawn in hold.draws:
                charge = min(uncharged, drawn)
                uncharged -= charge
                lot.held -= drawn
                lot.consumed += charge
                self._give_back(lot, drawn - charge, is_our_failure=is_our_failure)
            for lot, amount in self.returned:
                self._reclaim(lot, amount)
            self.returned = []
            self._forward(hold.account)
        return hold.captured, hold.released

    def _give_back(self, lot: ModelLot, amount: int, *, is_our_failure: bool) -> None:
        if lot.parent is not None or lot.account in self.merged:
            if amount and is_our_failure and not lot.is_live(self.now):
                self._bear(lot, lot.account, amount, "goodwill", 30, self.now + WEEK)
                self.returned.append((self.lots[-1], self.lots[-1].remaining))
            else:
                lot.remaining += amount
                self.returned.append((lot, amount))
            return
        amount -= self._unforgive(lot, amount, self.debt.get(lot.account, 0))
        if amount and is_our_failure and not lot.is_live(self.now):
            self._bear(lot, lot.account, amount, "goodwill", 30, self.now + WEEK)
            return
        paid = min(amount, self.debt.get(lot.account, 0), max(0, -lot.repaid))
        self.debt[lot.account] = self.debt.get(lot.account, 0) - paid
        lot.repaid += paid
        lot.remaining += amount - paid

    def _reclaim(self, lot: ModelLot, amount: int) -> None:
        """Of what came back, as much as its grant was charged for elsewhere is taken back here instead."""
        root = lot.root
        paid = min(amount, self.owed(root))
        unforgiven = min(amount - paid, -root.forgiven)
        self.debt[self._debtor(root)] = self.debt.get(self._debtor(root), 0) - paid
        root.repaid += paid
        root.forgiven += unforgiven
        root.clawed -= paid + unforgiven
        lot.clawed += paid + unforgiven
        lot.remaining -= paid + unforgiven

    def clawback(self, reference: str, target: int) -> tuple[int, int]:
        """Returns the change and what became debt."""
        root = next(lot for lot in self.lots if lot.reference == reference)
        was = sum(lot.clawed for lot in self._family(root))
        short, surplus = max(0, target - was), max(0, was - target)
        unforgiven = self._unforgive(root, surplus, self.debt.get(self._debtor(root), 0))
        root.clawed -= unforgiven
        surplus -= unforgiven
        for account in reversed(list(self._downstream(root.account))):
            for lot in [lot for lot in self._family(root) if lot.account == account]:
                taken = min(short, lot.remaining)
                lapsed = min(short - taken, lot.expired)
                lot.remaining -= taken
                lot.expired -= lapsed
                lot.clawed += taken + lapsed
                short -= taken + lapsed
                if surplus and lot.clawed:
                    restored = min(surplus, lot.clawed)
                    lot.clawed -= restored
                    surplus -= restored
                    expires_at = lot.expires_at and max(lot.expires_at, self.now + WEEK)
                    self._bear(lot, account, restored, lot.kind, lot.priority, expires_at)
        root.clawed += short
        root.repaid -= short
        self.debt[root.account] = self.debt.get(root.account, 0) + short
        self._forward(root.account)
        return target - was, short

    def owed(self, root: ModelLot) -> int:
        """What of its debtor's debt is for this lot."""
        return self._owed(root, self.debt.get(self._debtor(root), 0))

    def write_off(self, root: ModelLot, amount: int) -> None:
        self.debt[self._debtor(root)] -= amount
        root.repaid += amount
        root.forgiven -= amount

    def _owed(self, lot: ModelLot, debt: int) -> int:
        return max(0, min(debt, -lot.repaid, lot.clawed + lot.forgiven))

    def _unforgive(self, lot: ModelLot, coming_back: int, debt: int) -> int:
        """Past what is owed for the lot, what was written off of it is settled before anything is given back."""
        unforgiven = min(max(0, coming_back - self._owed(lot, debt)), -lot.forgiven)
        lot.forgiven += unforgiven
        return unforgiven

    def _debtor(self, root: ModelLot) -> UUID:
        """The account to which debt of this lot has gone."""
        return list(self._downstream(root.account))[-1]

    def withdraw(self, account: UUID, amount: int) -> None:
        for lot, drawn in self._draw(account, amount):
            lot.adjusted += drawn

    def leads_to(self, account: UUID, target: UUID) -> bool:
        """Whether what comes to ``account`` ends up in ``target`` or passes through it."""
        return target in self._downstream(account)

    def merge(self, source: UUID, into: UUID) -> int:
        self.merged[source] = into
        return self._forward(source)

    def expire_due(self) -> int:
        due = [lot for lot in self.lots if lot.remaining and not lot.is_live(self.now)]
        for lot in due:
            lot.expired += lot.remaining
            lot.remaining = 0
        return len(due)

    def _draw(self, account: UUID, amount: int) -> list[tuple[ModelLot, int]]:
        assert self.available(account) >= amount, "ask first"
        draws = []
        for lot in self.live(account):
            drawn = min(amount, lot.remaining)
            if drawn:
                lot.remaining -= drawn
                amount -= drawn
                draws.append((lot, drawn))
        return draws

    def _arrive(self, lot: ModelLot, amount: int) -> int:
        paid = min(self.debt.get(lot.account, 0), amount)
        self.debt[lot.account] = self.debt.get(lot.account, 0) - paid
        lot.issued, lot.repaid, lot.remaining = amount, paid, amount - paid
        self.lots.append(lot)
        return paid

    def _bear(
        self, parent: ModelLot, account: UUID, amount: int, kind: str, priority: int, expires_at: datetime | None
    ) -> None:
        parent.moved += amount
        child = ModelLot(account, f"{parent.reference}~{parent.moved}", kind, priority, expires_at, parent)
        self._arrive(child, amount)

    def _family(self, root: ModelLot) -> list[ModelLot]:
        return [lot for lot in reversed(self.lots) if lot.descends_from(root)]

    def _downstream(self, account: UUID) -> Iterator[UUID]:
        yield account
        if account in self.merged:
            yield from self._downstream(self.merged[account])

    def _forward(self, account: UUID) -> int:
        if account not in self.merged:
            return 0
        target = self.merged[account]
        self.debt[target] = self.debt.get(target, 0) + self.debt.get(account, 0)
        self.debt[account] = 0
        moved = 0
        for lot in sorted(self.live(account), key=self.lots.index):
            moved += lot.remaining
            amount, lot.remaining = lot.remaining, 0
            self._bear(lot, target, amount, lot.kind, lot.priority, lot.expires_at)
        self._forward(target)
        return moved
