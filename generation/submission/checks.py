"""What a request is refused for, in this order, whoever asks.

Two ask: ``look_ahead``, before any work is done for a request, and ``submit``, once the workspace's row is locked, the
price is held in place of the first of them, and nobody else can spend what is seen to be left. What only a held price
can tell, ``submit`` refuses after these: whether today's GPU time for free clips is used up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.caller import Caller
from accounts.models import Workspace
from billing import allowance, ledger
from billing.errors import NotEnoughCredits
from billing.plans import Entitlements
from billing.shop import budgets
from billing.shop.budgets import Period
from catalog.models import Model
from generation.models import Generation
from generation.scheduling.fair_queue import LineState
from generation.submission import model_caps, spending_alerts, spending_caps
from generation.submission.spending_caps import Cap
from loremotion.refusals import InsufficientCredits, TooMany


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that is not taken yet: whose it is, what it costs and what its workspace may."""

    workspace: Workspace | None
    """None for a newcomer, who will have the allowance of a day."""
    caller: Caller | None
    """Who asks, for the caps of members and keys; None for a workspace's own visitor."""
    by_model: Mapping[Model, int]
    """Credits by the model that they are for."""
    may: Entitlements
    is_refilled: bool
    """False where the network of a visitor has had all the free credits that it may have today."""
    clips: int = 1
    """That are asked for together."""
    line: LineState | None = None
    """How its workspace stands in the queue, once its price is held; None before that."""

    @property
    def credits(self) -> int:
        """What it costs."""
        return sum(self.by_model.values())


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
    if candidate.line is not None:
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
        if candidate.line is not None:
            spending_alerts.write(candidate.caller, caps, credits=candidate.credits)


def beyond_budget(candidate: Candidate) -> None:
    """Refuse what goes beyond a cap of the workspace, for the day or the month. Once the price is held, tell whoever
    pays how much of it is used.

    Raises:
        OverBudget: names the cap.
    """
    workspace, may = candidate.workspace, candidate.may
    if workspace is None:
        return
    for period, cap in ((Period.DAY, may.daily_cap_credits), (Period.MONTH, may.monthly_cap_credits)):
        if cap is None:
            continue
        credits = candidate.credits if candidate.line is None else 0  # what is held counts as spent
        spent = budgets.refuse_beyond_cap(workspace.id, cap=cap, credits=credits, period=period)
        if candidate.line is not None:
            spending_alerts.write_for_workspace(
                workspace, Cap(period, period.began, cap, spent - candidate.credits), credits=candidate.credits
            )


def beyond_model_caps(candidate: Candidate) -> None:
    """Refuse what goes beyond a cap on a model. Once the price is held, tell whoever pays how much of it is used.

    Raises:
        Forbidden: names the cap and what is left of it.
    """
    workspace, caps = candidate.workspace, candidate.may.caps_by_item
    if workspace is None or not caps:
        return
    for model, credits in candidate.by_model.items():
        found = model_caps.refuse_beyond_cap(workspace.id, caps, model_id=model.id, model=str(model), credits=credits)
        if candidate.line is not None:
            for cap in found:
                spending_alerts.write_for_model(workspace, model, cap, credits=credits)


def beyond_open_clips(candidate: Candidate) -> None:
    """Refuse one more clip where as many wait or are being made as the plan allows.

    Raises:
        TooMany: names how many that are.
    """
    most, line = candidate.may.open_clips, candidate.line
    # As many as matter are counted.
    found = line.open_clips if line is not None else Generation.objects.of(candidate.workspace).open()[:most].count()
    if found + candidate.clips > most:
        if found < most:
            words = ngettext(
                "Your plan allows %(most)s clip in progress. You have %(found)s, and this asks for %(more)s.",
                "Your plan allows %(most)s clips in progress. You have %(found)s, and this asks for %(more)s.",
                most,
            )
        else:
            words = ngettext(
                "You already have %(most)s clip in progress, the limit on your plan.",
                "You already have %(most)s clips in progress, the limit on your plan.",
                most,
            )
        raise TooMany(
            "too_many_open",
            words % {"most": most, "found": found, "more": candidate.clips},
            next_step=_("Wait for one of them, or cancel one."),
            retry_after_seconds=30,
        )


CHECKS: Final[tuple[Callable[[Candidate], None], ...]] = (
    beyond_credits,
    beyond_own_cap,
    beyond_budget,
    beyond_model_caps,
    beyond_open_clips,
)


def with_next_step(refusal: InsufficientCredits, candidate: Candidate) -> InsufficientCredits:
    """The refusal with what this candidate can do about it."""
    if not candidate.is_refilled:
        refusal.next_step = _("Your network has used up today's free credits. Sign in to get your own.")
    elif candidate.workspace is None or not candidate.workspace.is_team:
        refills_at = allowance.refills_at(timezone.now())
        refusal.next_step = _("Your free credits refill in %(wait)s, at %(time)s UTC.") % {
            "wait": _until(refills_at),
            "time": f"{refills_at:%H:%M}",
        }
    return refusal


def _until(moment: datetime) -> str:
    """The time until then in words: in whole minutes, the begun one too."""
    hours, minutes = divmod(math.ceil((moment - timezone.now()) / timedelta(minutes=1)), 60)
    spent = {"hours": hours, "minutes": minutes}
    return (_("%(hours)s h %(minutes)s min") if hours else _("%(minutes)s min")) % spent
