"""Clips one after the other: each begins with the last picture of the one before, and all are paid for or none is.

All of them are taken at once, each with a hold of its own, and wait in line from then on. One whose beginning is not
made yet is held back until it is (``generation.storyboards.models.Sequel``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import networks, tenancy
from accounts.roles import Action
from billing.plans import entitlements
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import Ask
from generation.models import Generation
from generation.moderation import gate
from generation.storage import files
from generation.submission import idempotency, intake
from generation.submission.audience import audience_of
from generation.submission.batch import refuse_sum
from generation.submission.idempotency import Repeat
from generation.submission.submit import submit
from generation.submission.wanted import Models, telling_which
from loremotion.refusals import Invalid

FIRST, NEXT = "text", "image"
"""Modes: of a scene that begins a film, and of one that goes on from the one before."""


def can_tell(model: Model) -> bool:
    """Whether a model can make scenes that go on from one another, on machines of our own."""
    version = model.current
    return version is not None and {FIRST, NEXT} <= set(version.modes) and not version.family_facts.is_remote


def offers_of(request: HttpRequest, asks: Sequence[Ask], *, goes_on: bool) -> list[Offer]:
    """What the scenes would be made into, and for how many credits. Writes nothing.

    Args:
        goes_on: whether the first of them goes on from a clip, too.

    Raises:
        Refusal: one of them cannot be made, or not by this caller; says which.
    """
    audience, models = audience_of(request, tenancy.caller_of(request).workspace), Models()
    offers = []
    for number, ask in enumerate(asks):
        begins = {NEXT: ""} if number or goes_on else {}
        with telling_which(number + 1, len(asks), thing="Scene"):
            model = models[ask.model]
            if not can_tell(model):
                raise Invalid(
                    "no_scenes",
                    _("%(model)s can't go on from a picture.") % {"model": model},
                    next_step=_("Choose another model."),
                    field="model",
                )
            mode = NEXT if begins else FIRST
            offers.append(make_offer(replace(ask, mode=mode, inputs=begins), audience, model=model))
    return offers


def take_in_order(
    request: HttpRequest,
    asks: Sequence[Ask],
    *,
    after: Generation | None,
    repeat: Repeat,
    most_credits: int | None = None,
    recheck: Callable[[], None] = lambda: None,
    then: Callable[[list[Generation]], None],
) -> list[Generation]:
    """Hold the price of all scenes and queue them, or none. Not within a transaction: their words are judged first,
    which may ask another service, and what is refused is counted.

    Args:
        after: the finished clip that the first of them goes on from; None where it begins with words alone.
        repeat: how the request says that it may be sent again: then it is answered with the first of its clips.
        most_credits: the price that was shown; None where none was.
        recheck: refuses what somebody else has asked for meanwhile. Called with the workspace locked, unless this
            sending has made its clips already.
        then: what is done with the clips in the transaction that makes them.

    Raises:
        CostsMore: the price of all is above ``most_credits`` by now.
        KeyReused: the request's key stands for something else.
        Refusal: as ``submit``. Nothing is left behind.
    """
    caller = tenancy.caller_for(request, Action.GENERATE)
    network = networks.fingerprint_of(request) if caller.key is None else ""
    offers = offers_of(request, asks, goes_on=after is not None)
    intake.refuse_dear(sum(offer.quote.credits for offer in offers), most_credits=most_credits)
    for number, offer in enumerate(offers, 1):
        with telling_which(number, len(offers), thing="Scene"):
            gate.refuse(caller.workspace, prompt=offer.request.prompt, negative_prompt="")
    workspace, caller = tenancy.ensure(request, Action.GENERATE)
    may = entitlements(workspace.id)
    with transaction.atomic():
        tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)  # waits for others who submit for it
        if (made := idempotency.with_same_key(workspace, repeat, caller=caller)) is not None:
            return [made]
        recheck()
        refuse_sum(workspace, caller, offers, may, network)
        taken: list[Generation] = []
        for number, offer in enumerate(offers):
            before = taken[-1] if taken else None
            if taken:
                repeat = replace(repeat, key="", given_id=idempotency.id_behind(taken[0].id, number))
            taken.append(
                submit(
                    workspace=workspace,
                    offer=_beginning_with(offer, before, after),
                    caller=caller,
                    repeat=repeat,
                    network=network,
                    may=may,
                    after=before,
                )
            )
        then(taken)
    return taken


def _beginning_with(offer: Offer, before: Generation | None, after: Generation | None) -> Offer:
    """The offer with the file that its clip begins with: of one that is not made yet, where that will lie."""
    if before is not None:
        key = files.key(before, files.CLIP)
    elif after is not None:
        key = after.clip.key
    else:
        return offer
    return replace(offer, request=replace(offer.request, inputs={NEXT: key}))
