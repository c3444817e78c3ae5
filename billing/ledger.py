"""Credits: the typed face of the ledger, and the only code that writes it.

Amounts are whole credits. An account is the UUID of whoever owns the credits; it means nothing here. Every function may
be called inside the caller's transaction and is one statement of it, so credits and the row they pay for commit
together. Called again with the same reference and the same request, a function changes nothing and gives the same
answer; with another request it raises ``ReferenceReused``. References name business objects, never events.

Time is the database's: one clock, however many hosts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from billing.calls import call, kernel_cursor, own_errors, send_call
from billing.errors import (
    InvalidAmount,
    LedgerError,
    LedgerProtected,
    NotEnoughCredits,
    NotOwed,
    ReferenceReused,
    UnknownReference,
)
from billing.movements import Movement, StatementLine, movements, statement
from billing.statements import (
    Balance,
    Debt,
    Receipt,
    Violation,
    balance,
    debts,
    lots,
    open_holds,
    receipt,
    violations,
)

__all__ = [
    "Adjusted",
    "Balance",
    "ClawedBack",
    "Debt",
    "Granted",
    "Held",
    "InvalidAmount",
    "LedgerError",
    "LedgerProtected",
    "LotKind",
    "Movement",
    "NotEnoughCredits",
    "NotOwed",
    "Receipt",
    "ReferenceReused",
    "Settled",
    "StatementLine",
    "UnknownReference",
    "Violation",
    "WrittenOff",
    "adjust",
    "balance",
    "capture",
    "clawback",
    "debts",
    "expire_due",
    "grant",
    "hold",
    "lots",
    "merge",
    "movements",
    "open_account",
    "open_holds",
    "own_errors",
    "receipt",
    "release",
    "statement",
    "violations",
    "write_off",
]


class LotKind(StrEnum):
    """Where credits come from. It decides, unless told otherwise, which are spent first."""

    FREE = "free"
    PLAN = "plan"
    PACK = "pack"
    GOODWILL = "goodwill"
    ADJUSTMENT = "adjustment"


PRIORITIES = {LotKind.FREE: 10, LotKind.PLAN: 20, LotKind.GOODWILL: 30, LotKind.ADJUSTMENT: 30, LotKind.PACK: 50}


@dataclass(frozen=True, slots=True)
class Granted:
    """``lot`` was filled with ``amount`` credits, of which ``paid_debt`` went into the account's debt at once."""

    lot: int
    amount: int
    paid_debt: int


@dataclass(frozen=True, slots=True)
class Held:
    reference: UUID
    amount: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How a hold ended: charged and given back, together what was held. Both as the first settlement decided."""

    captured: int
    released: int


@dataclass(frozen=True, slots=True)
class ClawedBack:
    """``clawed`` credits of the grant are taken back by now, ``change`` of them by this call (negative: given back),
    and ``owed`` of those were spent and became debt."""

    clawed: int
    change: int
    owed: int


@dataclass(frozen=True, slots=True)
class Adjusted:
    amount: int
    paid_debt: int


@dataclass(frozen=True, slots=True)
class WrittenOff:
    """``amount`` credits of a debt are given up, and ``owed`` of what the same grant left are still owed."""

    amount: int
    owed: int


def open_account(*, account: UUID) -> None:
    """Open an account. Granting and holding do it by themselves."""
    with kernel_cursor() as cursor:
        cursor.execute("INSERT INTO ledger_account (id) VALUES (%s) ON CONFLICT DO NOTHING", [account])


def grant(
    *,
    account: UUID,
    reference: str,
    amount: int,
    kind: LotKind,
    priority: int | None = None,
    expires_at: datetime | None = None,
    actor: str = "",
    reason: str = "",
) -> Granted:
    """Give credits that came together and lapse together. They pay the account's debt first.

    Args:
        reference: the object behind them, unique over all accounts: ``in_123``, ``free:<account>:<date>``. No ``~``.
        priority: lower is spent earlier; by default what the kind has.
        expires_at: when the unspent rest lapses; None is never.

    Raises:
        ReferenceReused: the reference was granted before, to another account or on other terms.
        InvalidAmount: ``amount`` is not positive.
    """
    kind = LotKind(kind)
    answer = call(
        "ledger_grant(%s, %s, %s, %s, %s::smallint, %s, %s, %s)",
        *(account, reference, amount, kind, PRIORITIES[kind] if priority is None else priority, expires_at),
        *(actor, reason),
    )
    return Granted(answer["lot"], answer["amount"], answer["paid_debt"])


def hold(*, account: UUID, reference: UUID, amount: int, expires_at: datetime, quote: dict[str, Any]) -> Held:
    """Set credits aside for one request: all of them, or none.

    Raises, as ``send_hold``.
    """
    return send_hold(account=account, reference=reference, amount=amount, expires_at=expires_at, quote=quote)()


def send_hold(
    *, account: UUID, reference: UUID, amount: int, expires_at: datetime, quote: dict[str, Any]
) -> Callable[[], Held]:
    """Have credits set aside for one request, all of them or none, and return what tells how it went, and raises.

    Lots are drawn on in the order (priority, expires_at with never last, age). The account stays locked until the
    caller's transaction ends.

    Args:
        reference: the request's own id.
        expires_at: when the request ought to have ended. Nothing happens then by itself: ``open_holds`` tells.
        quote: what the price was made of, kept for the receipt.

    Raises:
        ValueError: the quote cannot be written as JSON.
        NotEnoughCredits: less is available. Nothing was written, and the transaction goes on.
        ReferenceReused: the reference holds something else already.
        InvalidAmount: ``amount`` is not positive.
    """
    price = json.dumps(quote, allow_nan=False)
    sent = send_call("ledger_hold(%s, %s, %s, %s, %s::jsonb)", account, reference, amount, expires_at, price)

    def held() -> Held:
        answer = sent()
        _refuse_if_short(answer)
        return Held(reference, answer["held"])

    return held


def capture(*, reference: UUID, amount: int | None = None) -> Settled:
    """Charge a hold: ``amount`` of it, or all. The rest returns to the lots it came from.

    Credits that lapsed while they were held are charged like any other. The first settlement of a hold wins: if it was
    settled before, nothing changes and the answer tells how.

    Raises:
        InvalidAmount: more than was held, or negative.
        UnknownReference: nothing was held under this reference.
    """
    return _settle(reference, amount, is_our_failure=False)


def release(*, reference: UUID, is_our_failure: bool = True) -> Settled:
    """Give all of a hold back. The first settlement wins, as with ``capture``.

    Args:
        is_our_failure: what lapsed while it was held comes anew, for seven days. Pass False where the person gave it
            up: else holding credits over midnight and cancelling would keep them alive.

    Raises:
        UnknownReference: nothing was held under this reference.
    """
    return _settle(reference, 0, is_our_failure=is_our_failure)


def clawback(*, reference: str, target: int, actor: str = "", reason: str = "") -> ClawedBack:
    """Bring what has been taken back of a grant to ``target`` credits, counted from its beginning.

    In any order and any number of times the end is the same. Upwards, credits are taken from what remains of the
    grant and from what lapsed unused; what was spent becomes debt. Downwards they come anew, with a week at least to
    use them.

    Raises:
        UnknownReference: no such grant (yet): ask again once it is there.
        InvalidAmount: ``target`` is negative or more than was granted.
    """
    answer = call("ledger_clawback(%s, %s, %s, %s)", reference, target, actor, reason)
    return ClawedBack(answer["clawed"], answer["change"], answer["owed"])


def adjust(*, account: UUID, reference: str, amount: int, actor: str, reason: str) -> Adjusted:
    """Staff gives credits (positive) or takes them (negative, in draw order, all or none), and says why.

    Raises:
        NotEnoughCredits: fewer are available than shall be taken. Nothing was written.
        ReferenceReused: the reference stands for another adjustment.
        InvalidAmount: ``amount`` is 0.
        ValueError: nobody answers for it, or no reason is given.
    """
    _require_signature(actor, reason)
    if amount > 0:
        answer = call(
            "ledger_grant(%s, %s, %s, 'adjustment', %s::smallint, NULL, %s, %s, 'adjust')",
            *(account, reference, amount, PRIORITIES[LotKind.ADJUSTMENT], actor, reason),
        )
    else:
        answer = call("ledger_withdraw(%s, %s, %s, %s, %s)", account, reference, -amount, actor, reason)
        _refuse_if_short(answer)
    return Adjusted(answer["amount"], answer["paid_debt"])


def write_off(*, grant: str, reference: str, amount: int, actor: str, reason: str) -> WrittenOff:
    """Staff gives up credits that are owed for a grant: it was taken back after they were spent.

    If the payment comes back after all (a refund failed, a dispute was won), what was written off is not given on top.

    Args:
        grant: the reference that the credits were granted under.

    Raises:
        NotOwed: less is owed for it. Nothing was written.
        UnknownReference: no such grant.
        ReferenceReused: the reference stands for another write-off.
        InvalidAmount: ``amount`` is not positive.
        ValueError: nobody answers for it, or no reason is given.
    """
    _require_signature(actor, reason)
    answer = call("ledger_write_off(%s, %s, %s, %s, %s)", grant, reference, amount, actor, reason)
    if answer.get("refused"):
        raise NotOwed(owed=answer["owed"], needed=answer["needed"])
    return WrittenOff(answer["amount"], answer["owed"])


def merge(*, source: UUID, into: UUID, reference: str) -> int:
    """Move ``source``'s live credits and debt to ``into``, and from now on whatever else comes to it.

    What is held stays until it is settled; what then is given back follows. Returns the credits moved by this call.

    Raises:
        ReferenceReused: ``source`` was merged into another account, or ``into`` leads back to it.
    """
    return int(call("ledger_merge(%s, %s, %s)", source, into, reference)["moved"])


def expire_due(*, limit: int) -> int:
    """Write down up to ``limit`` lots that lapsed. Never blocks on a busy account. Returns how many it was."""
    return int(call("ledger_expire_due(%s)", limit))


def _require_signature(actor: str, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise ValueError("Staff signs what it does to credits: give actor and reason.")


def _settle(reference: UUID, amount: int | None, *, is_our_failure: bool) -> Settled:
    answer = call("ledger_settle(%s, %s, %s)", reference, amount, is_our_failure)
    return Settled(answer["captured"], answer["released"])


def _refuse_if_short(answer: dict[str, Any]) -> None:
    if answer.get("refused"):
        raise NotEnoughCredits(available=answer["available"], needed=answer["needed"])
