"""What staff does to credits: small things at once and alone, larger ones only after a second member of staff agrees.

What counts is what somebody has moved alone within a day, not one form, so that many small ones are no way around.
What was done, proposed or decided is in the audit log of the workspace, once however often a form is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Abs
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts import audit
from accounts.models import Workspace
from billing import ledger
from billing.models import Proposal
from loremotion.refusals import Conflict, Forbidden

WAITS = timedelta(days=7)
DAY = timedelta(days=1)


class Staff(Protocol):
    """Whoever proposes or decides."""

    pk: Any

    @property
    def is_superuser(self) -> bool: ...

    def get_username(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What a proposal would change, and whether it would wait for somebody else first."""

    before: ledger.Balance
    after: ledger.Balance
    waits: bool


def preview(*, account: UUID, amount: int, staff: Staff) -> Preview:
    """Return what giving or taking ``amount`` credits would do, as the ledger does it. Nothing is written.

    Raises:
        NotEnoughCredits: there is less than shall be taken.
    """
    wanted = Proposal(id=uuid4(), kind=Proposal.Kind.ADJUST, account=account, amount=amount, reason="A preview")
    wanted.proposed_by_name = staff.get_username()
    before, after = outcome(wanted)
    return Preview(before, after, waits=abs(amount) > left_to_do_alone(staff, account=account))


def outcome(proposal: Proposal) -> tuple[ledger.Balance, ledger.Balance]:
    """Return the account's balance now, and what it would be if the proposal were carried out. Nothing is written.

    Raises:
        NotEnoughCredits, NotOwed: there is less than shall be taken or written off.
    """
    before = ledger.balance(account=proposal.account)
    with transaction.atomic():
        _carry_out(proposal)
        after = ledger.balance(account=proposal.account)
        transaction.set_rollback(True)
    return before, after


def propose(
    *, proposal_id: UUID, kind: Proposal.Kind, account: UUID, amount: int, reason: str, staff: Staff, grant: str = ""
) -> Proposal:
    """Do it at once if ``staff`` may alone, else have it wait for somebody else. Sent twice it is one proposal.

    What the ledger would refuse now is refused now, so that nothing waits which cannot be done.

    Args:
        proposal_id: written into the form when it was shown.
        grant: what a debt to be written off is owed for.

    Raises:
        Conflict: the id stands for another proposal.
        NotEnoughCredits, NotOwed: there is less than shall be taken or written off. Nothing was written.
    """
    asked = {"kind": kind, "account": account, "amount": amount, "grant": grant, "proposed_by": staff.pk}
    with transaction.atomic():
        _one_at_a_time(staff)
        known = Proposal.objects.filter(id=proposal_id).first()
        if known is not None:
            if any(getattr(known, name) != value for name, value in asked.items()):
                raise Conflict("form_used", "This form was sent with other values.", next_step="Open the page again.")
            return known
        now = timezone.now()
        proposal = Proposal(
            id=proposal_id,
            reason=reason,
            proposed_by_name=staff.get_username(),
            proposed_at=now,
            expires_at=now + WAITS,
            **asked,
        )
        if abs(amount) <= left_to_do_alone(staff, account=account):
            proposal.state, proposal.decided_at = Proposal.State.DONE, now
            _carry_out(proposal)
        else:
            with transaction.atomic():
                _carry_out(proposal)
                transaction.set_rollback(True)
        proposal.save(force_insert=True)
        _note(proposal, proposal.state, staff)
    return proposal


def approve(proposal_id: UUID, *, staff: Staff, reason: str) -> Proposal:
    """Agree to what somebody else proposed, and do it. Pressed twice it is done once.

    Raises:
        Forbidden: it is the proposer's own.
        Conflict: it was refused, or has expired.
        NotEnoughCredits, NotOwed: meanwhile there is less. It goes on waiting.
    """
    with transaction.atomic():
        proposal = _decided(proposal_id, Proposal.State.DONE, staff, reason)
        _carry_out(proposal)
    return proposal


def refuse(proposal_id: UUID, *, staff: Staff, reason: str) -> Proposal:
    """Say no to what somebody else proposed.

    Raises:
        Forbidden: it is the proposer's own.
        Conflict: it is done, or has expired.
    """
    with transaction.atomic():
        return _decided(proposal_id, Proposal.State.REFUSED, staff, reason)


def left_to_do_alone(staff: Staff, *, account: UUID | None = None) -> int:
    """Credits that a member of staff may still move today without a second: none into or out of an account of their
    own, unless they are a superuser, who may be the only one there is."""
    if account is not None and not staff.is_superuser:
        belongs: Callable[..., bool] = import_string(settings.ACCOUNT_MEMBERSHIP)
        if belongs(user_id=staff.pk, workspace_id=account):
            return 0
    alone = Proposal.objects.filter(proposed_by=staff.pk, proposed_at__gt=timezone.now() - DAY)
    alone = alone.filter(state=Proposal.State.DONE, decided_by=None)
    moved: int = alone.aggregate(moved=Sum(Abs("amount")))["moved"] or 0
    return max(0, int(settings.STAFF_DAILY_CREDITS) - moved)


def _decided(proposal_id: UUID, state: Proposal.State, staff: Staff, reason: str) -> Proposal:
    """Write the decision into the proposal and return it. Decided so before, it stays as it is."""
    proposal = Proposal.objects.select_for_update().get(id=proposal_id)
    if proposal.proposed_by == staff.pk:
        raise Forbidden(
            "own_proposal", "Nobody decides what they proposed themselves.", next_step="Ask somebody else on the staff."
        )
    if proposal.state == state:
        return proposal
    if proposal.state != Proposal.State.WAITING:
        raise Conflict("already_decided", f"{proposal.decided_by_name} has decided: {proposal.get_state_display()}.")
    if not proposal.is_waiting:
        raise Conflict(
            "proposal_expired",
            f"It waited until {proposal.expires_at:%d %B %Y, %H:%M} UTC.",
            next_step="If it is still right, propose it anew.",
        )
    proposal.state, proposal.decision, proposal.decided_at = state, reason, timezone.now()
    proposal.decided_by, proposal.decided_by_name = staff.pk, staff.get_username()
    proposal.save()
    _note(proposal, "approved" if state == Proposal.State.DONE else state, staff)
    return proposal


def has_log(account: UUID) -> bool:
    """Whether the account's workspace is there to have an audit log. The ledger keeps accounts of erased ones."""
    return Workspace.objects.filter(id=account).exists()


def _note(proposal: Proposal, state: str, staff: Staff) -> None:
    """Tell the workspace's log. Why it was decided so stays with staff."""
    workspace = Workspace.objects.filter(id=proposal.account).first()
    if workspace is None:
        return
    event = "credits.written_off" if proposal.kind == Proposal.Kind.WRITE_OFF else "credits.adjusted"
    said: dict[str, Any] = {"amount": proposal.amount, "reason": proposal.reason, "state": state}
    audit.record(workspace, event, actor=f"staff {staff.get_username()}", subject=str(proposal.id), **said)


def _carry_out(proposal: Proposal) -> None:
    """Post what was agreed. Posted again, the ledger answers what it answered then."""
    signed = {"actor": proposal.signature, "reason": proposal.reason, "reference": f"staff:{proposal.id}"}
    if proposal.kind == Proposal.Kind.WRITE_OFF:
        ledger.write_off(grant=proposal.grant, amount=proposal.amount, **signed)
    else:
        ledger.adjust(account=proposal.account, amount=proposal.amount, **signed)


def _one_at_a_time(staff: Staff) -> None:
    """Make two forms of one person wait for each other, so that they do not both see the day's whole allowance."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 6))", [f"staff:{staff.pk}"])
