"""What a request is refused for, in this order, whoever asks.

Two ask: ``look_ahead``, before any work is done for a request, and ``submit``, once the workspace's row is locked, the
price is held in place of the first of them, and nobody else can spend what is seen to be left. What only a held price
can tell, ``submit`` refuses after these: whether today's GPU time for free clips is used up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from accounts.caller import Caller
from accounts.models import Workspace
from billing import allowance, ledger
from billing.errors import NotEnoughCredits
from billing.plans import Entitlements
from billing.shop import budgets, notices
from generation.models import Generation
from generation.scheduling.fair_queue import Standing
from generation.submission import spending_alerts, spending_caps
from loremotion.refusals import InsufficientCredits, TooMany


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that is not taken yet: whose it is, what it costs and what its workspace may."""

    workspace: Workspace | None
    """None for a newcomer, who will have the allowance of a day."""
    caller: Caller | None
    """Who asks, for the caps of members and keys; None for a workspace's own visitor."""
    credits: int
    may: Entitlements
    is_refilled: bool
    """False where the network of a visitor has had all the free credits that it may have today."""
    clips: int = 1
    """That are asked for together; ``credits`` is the price of all."""
    standing: Standing | None = None
    """How its workspace stands in the queue, once its price is held; None before that."""


def refuse(candidate: Candidate) -> None:
    """Raise the first refusal of ``CHECKS``, or return."""
    for check in CHECKS:
        check(candidate)


def beyond_credits(candidate: Candidate) -> None:
    """Refuse what costs more than there is.

    Raises:
        InsufficientCredits: with what is missing and when credits come.
    """
    workspace, caller = candidate.workspace, candidate.caller
    if candidate.standing is not None:
        return
    if workspace is not None:
        available = ledger.balance(account=workspace.id).available
    else:
        available = allowance.daily_credits(None, is_signed_in=caller is not None and caller.user is not None)
    if available < candidate.credits:
        raise with_next_step(NotEnoughCredits(available=available, needed=candidate.credits), candidate)


def beyond_own_cap(candidate: Candidate) -> None:
    """Refuse what goes beyond a cap of the member or key. Once the price is held, tell whoever set a cap how much of it
    is used.

    Raises:
        Forbidden: names the cap and what is left of it.
    """
    if candidate.workspace is not None and candidate.caller is not None:
        caps = spending_caps.refuse_beyond_cap(candidate.caller, credits=candidate.credits)
        if candidate.standing is not None:
            spending_alerts.write(candidate.caller, caps, credits=candidate.credits)


def beyond_budget(candidate: Candidate) -> None:
    """Refuse what goes beyond the month's cap of the workspace. Once the price is held, tell whoever pays how much of
    it is used.

    Raises:
        OverBudget: names the cap.
    """
    workspace, cap = candidate.workspace, candidate.may.monthly_cap_credits
    if workspace is None or cap is None:
        return
    credits = candidate.credits if candidate.standing is None else 0  # what is held counts as spent
    spent = budgets.refuse_beyond_cap(workspace.id, cap=cap, credits=credits)
    if candidate.standing is not None and (
        percent := budgets.percent_passed(cap=cap, spent=spent, credits=candidate.credits)
    ):
        notices.write_cap_used(workspace.id, cap=cap, percent=percent)


def beyond_open_clips(candidate: Candidate) -> None:
    """Refuse one more clip where as many wait or are being made as the plan allows.

    Raises:
        TooMany: names how many that are.
    """
    most, standing = candidate.may.open_clips, candidate.standing
    if standing is not None:
        found = standing.open_clips
    else:
        found = Generation.objects.of(candidate.workspace).open()[:most].count()  # as many as matter
    if found + candidate.clips > most:
        clips = f"{most} clip{'' if most == 1 else 's'} in progress"
        together = f"Your plan allows {clips}. You have {found}, and this asks for {candidate.clips}."
        raise TooMany(
            "too_many_open",
            together if found < most else f"You already have {clips}, the limit on your plan.",
            next_step="Wait for one of them, or cancel one.",
            retry_after_seconds=30,
        )


CHECKS: Final[tuple[Callable[[Candidate], None], ...]] = (
    beyond_credits,
    beyond_own_cap,
    beyond_budget,
    beyond_open_clips,
)


def with_next_step(refusal: InsufficientCredits, candidate: Candidate) -> InsufficientCredits:
    """The refusal with what this candidate can do about it."""
    if not candidate.is_refilled:
        refusal.next_step = "Your network has used up today's free credits. Sign in to get your own."
    elif candidate.workspace is None or not candidate.workspace.is_team:
        refills_at = allowance.refills_at(timezone.now())
        refusal.next_step = f"Your free credits refill in {_until(refills_at)}, at {refills_at:%H:%M} UTC."
    return refusal


def _until(moment: datetime) -> str:
    """The time until then in words: in whole minutes, the begun one too."""
    hours, minutes = divmod(math.ceil((moment - timezone.now()) / timedelta(minutes=1)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
