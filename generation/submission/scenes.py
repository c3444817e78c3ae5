"""Clips one after the other: each begins with the last picture of the one before, and all are paid for or none is.

All of them are taken at once, each with a hold of its own, and wait in line from then on. One whose beginning is not
made yet is held back until it is (``generation.storyboards.models.Sequel``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.models import Workspace
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
from generation.submission.idempotency import Repeat, Sending
from generation.submission.submit import submit
from generation.submission.wanted import Models, telling_which
from loremotion.refusals import Conflict, Invalid

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
                    f"{model} can't go on from a picture.",
                    next_step="Choose another model.",
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
    sending: str,
    most_credits: int | None = None,
    recheck: Callable[[], None] = lambda: None,
    then: Callable[[list[Generation]], None] = lambda made: None,
) -> list[Generation]:
    """Hold the price of all scenes and queue them, or none. Not within a transaction: their words are judged first,
    which may ask another service, and what is refused is counted.

    Args:
        after: the finished clip that the first of them goes on from; None where it begins with words alone.
        sending: names this sending: the same again is answered with the clips that it made.
        most_credits: the price that was shown; None where none was.
        recheck: refuses what somebody else has asked for meanwhile. Called with the workspace locked, unless this
            sending has made its clips already.
        then: what is done with the clips in the transaction that makes them, also with those of an earlier sending.

    Raises:
        CostsMore: the price of all is above ``most_credits`` by now.
        Refusal: as ``submit``. Nothing is left behind.
    """
    caller = tenancy.caller_for(request, Action.GENERATE)
    network = networks.fingerprint_of(request) if caller.key is None else ""
    name = f"scenes:{sending[:64]}:{len(asks)}:{after.id if after else ''}"
    begun: Any = {"files": {}, "clips": {}, "is_private": None, "caller": caller}
    repeats = [idempotency.named(Sending(f"{name}:{number}"), ask, **begun) for number, ask in enumerate(asks)]
    offers = offers_of(request, asks, goes_on=after is not None)
    intake.refuse_dear(sum(offer.quote.credits for offer in offers), most_credits=most_credits)
    for number, offer in enumerate(offers, 1):
        with telling_which(number, len(offers), thing="Scene"):
            gate.refuse(caller.workspace, prompt=offer.request.prompt, negative_prompt="")
    workspace, caller = tenancy.ensure(request, Action.GENERATE)
    may = entitlements(workspace.id)
    with transaction.atomic():
        tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)  # waits for others who submit for it
        if made := _made_before(workspace, repeats, caller):
            then(made)
            return made
        recheck()
        refuse_sum(workspace, caller, offers, may, network)
        taken: list[Generation] = []
        for offer, repeat in zip(offers, repeats, strict=True):
            before = taken[-1] if taken else None
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


def _made_before(workspace: Workspace, repeats: Sequence[Repeat], caller: Caller) -> list[Generation]:
    """The clips of an earlier sending: all of them or none, since they were made together."""
    try:
        found = [idempotency.with_same_key(workspace, repeat, caller=caller) for repeat in repeats]
    except Invalid:
        raise Conflict(
            "sent_before",
            "This form was already submitted with different contents.",
            next_step="Press the button again.",
        ) from None
    return [made for made in found if made is not None]


def _beginning_with(offer: Offer, before: Generation | None, after: Generation | None) -> Offer:
    """The offer with the file that its clip begins with: of one that is not made yet, where that will lie."""
    if before is not None:
        key = files.key(before, files.CLIP)
    elif after is not None:
        key = after.clip.key
    else:
        return offer
    return replace(offer, request=replace(offer.request, inputs={NEXT: key}))
