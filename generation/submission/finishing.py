"""A draft is finished: the same clip with its whole preset, for what that costs more than the draft did."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.roles import Action
from billing import statements
from catalog import drafts, gates
from catalog.models import Model
from catalog.offers import Offer, price_of
from catalog.pricing import LESS_ONE, LESS_SOME, Line, Quote, is_free_reroll
from catalog.requests import Ask, ClipRequest
from catalog.selection import version_for
from generation.drafts.models import Draft
from generation.models import Generation, State
from generation.moderation import gate
from generation.provider_keys import use
from generation.submission import intake, uploads
from generation.submission.audience import audience_of
from generation.submission.submit import submit
from loremotion.refusals import Conflict, Invalid

LASTS: Final = timedelta(days=7)
"""From a draft's end on, so long it can be finished: by the same version of the model, for the price of that time."""


@dataclass(frozen=True, slots=True)
class Finish:
    """A draft's whole clip and its price."""

    offer: Offer
    paid: int
    """Credits that the draft cost, which come off."""
    until: datetime

    @property
    def credits(self) -> int:
        """What is still to be paid."""
        return self.offer.quote.credits

    @property
    def together(self) -> int:
        return self.paid + self.credits


def draft(ask: Ask, whole: Offer) -> Offer:
    """What a draft of ``whole`` would be, and cost.

    Raises:
        Invalid: none would be cheaper.
    """
    found = drafts.draft_of(ask, whole)
    if found is None:
        raise Invalid(
            "no_draft",
            _("A draft of this costs as much as the clip itself with %(model)s.") % {"model": whole.version.model},
            next_step=_("Make the clip without a draft, or choose another quality."),
            field="draft",
        )
    return found


def difference(credits: int, *, paid: int) -> int:
    """Credits that finishing a draft costs: what is not paid yet of ``credits``, and one at least, as of any clip."""
    return max(1, credits - paid)


def note(generation: Generation, whole: Offer) -> None:
    """Write down what a clip that was just taken is a draft of."""
    request = whole.request
    Draft.objects.create(generation=generation, final_preset=request.preset, final_steps=request.steps)


def offer_of(note: Draft) -> Finish | None:
    """What finishing the draft makes, and for how many credits; None where it cannot be, any more, or is already."""
    generation = note.generation
    is_offered = generation.version.model.status == Model.Status.ENABLED
    is_there = generation.state == State.SUCCEEDED and generation.deleted_at is None and hasattr(generation, "clip")
    if not is_offered or not is_there or generation.finished_at is None:
        return None
    until = min(generation.finished_at + LASTS, generation.clip.expires_at)
    if until <= timezone.now() or _is_used(note):
        return None
    paid = 0 if is_free_reroll(generation.quote) else statements.receipt(reference=generation.id).captured
    return Finish(_offer(note, paid), paid, until)


def finish(request: HttpRequest, generation: Generation, *, most_credits: int | None = None) -> Generation:
    """Queue the whole clip of a draft; where somebody did so before, return what they queued.

    Args:
        most_credits: what that may still cost; None for whatever it does.

    Raises:
        CostsMore: it costs more than ``most_credits``.
        Conflict: the clip is no draft, is not made yet, is gone or older than ``LASTS``, its model is no longer
            offered, or what was made of it is deleted or not the caller's to see.
        NotInPlan, NotLicensed: the caller may not use the version that made the draft, or the one of today.
        Refusal: as ``submit``.
    """
    caller, workspace = tenancy.caller_for(request, Action.GENERATE), generation.workspace
    note = _note(generation)
    if note is not None and _is_used(note):
        return _made_before(note, caller)
    intake.refuse_dear(_offered(note)[1].quote.credits, most_credits=most_credits)
    audience = audience_of(request, workspace)
    for version in (generation.version, version_for(generation.version.model, workspace.id)):
        if refusal := gates.refusal(version, audience):
            raise refusal
    gate.refuse(workspace, prompt=generation.prompt, negative_prompt=generation.negative_prompt)  # locks nothing yet
    given = _inputs(generation)
    with uploads.store(given), transaction.atomic():
        tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)  # so that two at once are one by one
        note = _note(generation)  # it may have been finished, deleted or made private meanwhile
        if note is not None and _is_used(note):
            return _made_before(note, caller)
        note, offer = _offered(note)
        made = submit(
            workspace=workspace,
            offer=replace(offer, request=replace(offer.request, inputs=uploads.keys(given))),
            caller=caller,
            is_private=note.generation.is_private,
            network=networks.fingerprint_of(request) if caller.key is None else "",
            continued_seconds=generation.continued_seconds,
        )
        Draft.objects.filter(generation=generation).update(final=made)
    return made


def final_of(note: Draft, caller: Caller) -> Generation | None:
    """The clip that finishing the draft made, or the last try at it, where it is kept and the caller sees it."""
    if note.final_id is None:
        return None
    return Generation.objects.seen_by(caller).kept().for_display().filter(id=note.final_id).first()


def _made_before(note: Draft, caller: Caller) -> Generation:
    final = final_of(note, caller)
    if final is None:
        raise Conflict(
            "finished_already",
            _("This draft was finished, and that clip is deleted or another member's private one."),
            next_step=_("Remix the draft instead."),
        )
    final.is_repeated = True
    return final


def _note(generation: Generation) -> Draft | None:
    at_hand = Draft.objects.select_related("generation__version__model", "generation__clip", "final")
    return at_hand.filter(generation=generation).first()


def _offered(note: Draft | None) -> tuple[Draft, Offer]:
    if note is not None and note.generation.is_open:
        raise Conflict("in_progress", _("This draft is not made yet."), next_step=_("Wait for it, then finish it."))
    found = offer_of(note) if note is not None else None
    if note is None or found is None:
        raise Conflict("not_to_be_finished", _("This clip can't be finished."), next_step=_("Remix it instead."))
    return note, found.offer


def _is_used(note: Draft) -> bool:
    """Whether the draft's credits have come off another clip's price, or are about to."""
    final = note.final
    if final is None:
        return False
    if final.is_open or final.state == State.SUCCEEDED:
        return True
    return statements.receipt(reference=final.id).captured > 0  # cancelled while it was being made


def _offer(note: Draft, paid: int) -> Offer:
    draft, version = note.generation, note.generation.version
    same: dict[str, Any] = {field.name: getattr(draft, field.name) for field in fields(ClipRequest)}
    whole = {"preset": note.final_preset, "steps": note.final_steps, "call": version.preset_call(note.final_preset)}
    request = ClipRequest(**{**same, **whole})
    own_key = use.keys_of(draft.workspace_id)(version.account) if version.family_facts.is_remote else None
    price = price_of(version, request, own_key=own_key)
    less = Line((LESS_ONE if paid == 1 else LESS_SOME) % {"credits": f"{paid:,}"}, Fraction(-1000 * paid))
    return Offer(
        version,
        request,
        Quote(difference(price.credits, paid=paid), (*price.lines, less) if paid else price.lines),
        own_key,
    )


def _inputs(generation: Generation) -> list[uploads.Input]:
    try:
        return uploads.again(generation)
    except FileNotFoundError:
        raise Conflict(
            "files_are_gone",
            _("The files that this draft began with are deleted."),
            next_step=_("Remix it, and add them again."),
        ) from None
