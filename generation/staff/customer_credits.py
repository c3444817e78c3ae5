"""Credits that staff gives to a customer or takes: what each of the two would leave, and doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from accounts.models import User, Workspace
from billing import ledger, proposals
from billing.models import Proposal
from loremotion.refusals import Refusal

GIVE: Final = "give"
TAKE: Final = "take"
_SIGNS: Final = {GIVE: 1, TAKE: -1}


@dataclass(frozen=True, slots=True)
class Move:
    """Giving or taking so many credits: what it would do, or why it cannot be done."""

    name: str
    """``give`` or ``take``."""
    amount: int
    preview: proposals.Preview | None = None
    refusal: str = ""


def both(workspace: Workspace, amount: int, staff: User) -> list[Move]:
    """Return what giving ``amount`` credits would do, and what taking them would. Nothing is written."""
    return [_looked_at(name, workspace.id, amount, staff) for name in _SIGNS]


def move(workspace: Workspace, name: str, *, amount: int, reason: str, reference: UUID, staff: User) -> Proposal:
    """Give or take, at once or after a second member of staff agrees.

    Raises:
        Refusal: it cannot be done. Nothing was written.
    """
    return proposals.propose(
        proposal_id=reference,
        kind=Proposal.Kind.ADJUST,
        account=workspace.id,
        amount=_SIGNS[name] * amount,
        reason=reason,
        staff=staff,
    )


def words_of(refusal: Refusal) -> str:
    """Why it cannot be done, on this page."""
    if isinstance(refusal, ledger.NotEnoughCredits):
        credits = "credit is" if refusal.available == 1 else "credits are"
        return f"Only {refusal.available:,} {credits} available to take."
    return str(refusal)


def _looked_at(name: str, account: UUID, amount: int, staff: User) -> Move:
    try:
        return Move(name, amount, proposals.preview(account=account, amount=_SIGNS[name] * amount, staff=staff))
    except Refusal as refusal:
        return Move(name, amount, refusal=words_of(refusal))
