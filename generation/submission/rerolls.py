"""A free re-roll: a clip that came out frozen or flickering, which may be what was asked for, is made once more.

The price is given to the workspace and held in the same transaction, so the new clip has a hold and a receipt like
every other. What was given lapses within seconds, and does not come anew however the clip ends: it was for that clip.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from billing import ledger
from billing.models import Lot
from catalog.models import Model
from catalog.offers import Offer
from catalog.pricing import FREE_REROLL, Line, is_free_reroll, quote
from catalog.requests import ClipRequest, random_seed
from generation.models import Generation, State
from generation.moderation import gate
from generation.submission import uploads
from generation.submission.submit import submit
from loremotion.refusals import Conflict, Forbidden, TooMany

LASTS: Final = timedelta(days=7)
MOST_A_DAY: Final = 3
"""Of one workspace: a still picture may be just what somebody asks for, again and again."""
_PREFIX: Final = "reroll:"
_SPENT_FIRST: Final = 0
_LAPSES: Final = timedelta(seconds=15)


def is_offered(caller: Caller, generation: Generation) -> bool:
    """Whether the clip's page has the button. Whether there was one already, ``make`` looks up too."""
    return (
        caller.user is not None
        and caller.may(Action.GENERATE)
        and _is_odd(generation)
        and not Lot.objects.filter(reference=_reference(generation)).exists()
    )


def make(generation: Generation, *, caller: Caller, network: str = "") -> Generation:
    """Queue the clip once more, with another seed, for nothing.

    Args:
        network: as for ``submit``.

    Raises:
        Forbidden: the caller is a visitor: their credits come anew each day, and so would these.
        Conflict: the clip is no such clip, or has had its re-roll.
        TooMany: the workspace had as many today as it may.
        Refusal: as ``submit``.
    """
    workspace = generation.workspace
    if caller.user is None:
        raise Forbidden("members_only", _("Free re-rolls are for accounts."), next_step=_("Sign in first."))
    if not _is_odd(generation):
        raise Conflict(
            "no_reroll", _("This clip has no free re-roll."), next_step=_("Make it again with another seed.")
        )
    offer = _offer(generation)
    gate.refuse(workspace, prompt=generation.prompt, negative_prompt=generation.negative_prompt)  # locks nothing yet
    given = uploads.again(generation)
    offer = replace(offer, request=replace(offer.request, inputs=uploads.keys(given)))
    with uploads.store(given), transaction.atomic():
        tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)  # so that two at once are one by one
        _refuse_used(workspace, generation)
        ledger.grant(
            account=workspace.id,
            reference=_reference(generation),
            amount=offer.quote.credits,
            kind=ledger.LotKind.ADJUSTMENT,
            priority=_SPENT_FIRST,
            expires_at=timezone.now() + _LAPSES,
            reason=f"{FREE_REROLL} of {generation.id}, {generation.clip.remark}",
        )
        return submit(
            workspace=workspace,
            offer=offer,
            caller=caller,
            is_private=generation.is_private,
            network=network,
            continued_seconds=generation.continued_seconds,
        )


def _is_odd(generation: Generation) -> bool:
    """Whether its worker remarked something, lately, and it is no re-roll itself."""
    return (
        generation.state == State.SUCCEEDED
        and generation.deleted_at is None
        and generation.finished_at is not None
        and generation.finished_at > timezone.now() - LASTS
        and hasattr(generation, "clip")
        and bool(generation.clip.remark)
        and generation.version.model.status == Model.Status.ENABLED
        and not is_free_reroll(generation.quote)
    )


def _refuse_used(workspace: Workspace, generation: Generation) -> None:
    if Lot.objects.filter(reference=_reference(generation)).exists():
        raise Conflict(
            "rerolled", _("This clip has had its free re-roll."), next_step=_("Make it again with another seed.")
        )
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    had = Lot.objects.filter(account=workspace.id, granted_at__gte=today, reference__startswith=_PREFIX)
    if had.count() >= MOST_A_DAY:
        raise TooMany(
            "too_many_rerolls",
            _("You've had %(most)s free re-rolls today.") % {"most": MOST_A_DAY},
            next_step=_("The next ones come at midnight, UTC."),
            retry_after_seconds=3600,
        )


def _reference(generation: Generation) -> str:
    return f"{_PREFIX}{generation.id}"


def _offer(generation: Generation) -> Offer:
    same: dict[str, Any] = {field.name: getattr(generation, field.name) for field in fields(ClipRequest)}
    request = ClipRequest(**{**same, "seed": random_seed()})
    price = quote(generation.version, request)
    return Offer(generation.version, request, replace(price, lines=(*price.lines, Line(FREE_REROLL, Fraction(0)))))
