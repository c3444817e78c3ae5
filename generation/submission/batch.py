"""Several clips asked for at once: all of them are taken, and their whole price held, or none is."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from string import ascii_letters
from typing import Any, Final

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from billing import allowance
from billing.plans import Entitlements
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import MAX_SEED, Ask
from catalog.selection import find_model
from generation.models import Generation
from generation.moderation import gate
from generation.storage import files as stored
from generation.submission import checks, finishing, idempotency, intake, pictures, uploads
from generation.submission.audience import audience_of
from generation.submission.checks import Candidate
from generation.submission.idempotency import Repeat
from generation.submission.intake import CostsMore
from generation.submission.submit import submit
from gpu_worker.families import Kind
from loremotion.refusals import Conflict, Invalid, Refusal

MOST_CLIPS: Final = 48


@dataclass(frozen=True, slots=True)
class Part:
    """One clip of those that are asked for."""

    offer: Offer
    repeat: Repeat
    given: list[uploads.Input]
    """A copy of the files of its own, as a clip's files go with it."""
    whole: Offer | None = None
    """Of a draft, what it is a draft of."""


def new_sending() -> str:
    """A name for one sending of a form."""
    return get_random_string(22, ascii_letters)


def takes_of(ask: Ask, times: int) -> list[Ask]:
    """Repeat ``ask`` ``times`` times: with consecutive seeds if it names one, else with random ones."""
    if ask.seed is None:
        return [ask] * times
    return [replace(ask, seed=(ask.seed + number) % (MAX_SEED + 1)) for number in range(times)]


def offers_of(request: HttpRequest, asks: Sequence[Ask]) -> list[Offer]:
    """What clips without files would be made into, and for how many credits. One look at each model. Writes nothing.

    Raises:
        Refusal: one of them cannot be made, or not by this caller; says which.
    """
    audience, models = audience_of(request, tenancy.caller_of(request).workspace), _Models()
    offers = []
    for number, ask in enumerate(asks, 1):
        with _telling_which(number, len(asks)):
            offers.append(make_offer(ask, audience, model=models[ask.model]))
    return offers


def take_all(
    request: HttpRequest,
    asks: Sequence[Ask],
    *,
    sending: str,
    files: Mapping[str, UploadedFile[Any]] | None = None,
    clips: Mapping[str, str] | None = None,
    is_private: bool | None = None,
    most_credits: int | None = None,
    is_draft: bool = False,
) -> list[Generation]:
    """Check everything, then hold the price of all of them and make them, or none.

    Args:
        asks: clips that begin alike.
        sending: names this sending: the same again is answered with the clips that it made.
        files, clips, is_private: as for ``intake.take``.
        most_credits: the price that was shown; None where none was.
        is_draft: whether drafts of what is asked for are made, for ``finishing`` to finish.

    Raises:
        CostsMore: the price of all is above ``most_credits`` by now.
        Refusal: as ``intake.take``; says of which clip, where it is about one. Nothing is left behind.
    """
    if not 0 < len(asks) <= MOST_CLIPS:
        raise Invalid("wrong_number", f"1 to {MOST_CLIPS} clips are made at once.", next_step="Ask for fewer.")
    files, clips = files or {}, clips or {}
    caller = tenancy.caller_for(request, Action.GENERATE)
    network = networks.fingerprint_of(request) if caller.key is None else ""
    name = f"form:{sending[:64]}:{len(asks)}{':draft' if is_draft else ''}"
    begun: Any = {"files": files, "clips": clips, "is_private": is_private, "caller": caller}
    repeats = [idempotency.named(f"{name}:{number}", ask, **begun) for number, ask in enumerate(asks)]
    if caller.workspace is not None and (made := _made_before(caller.workspace, repeats, caller)):
        return made
    given, first, may, continued_seconds = intake.look_at(request, caller, asks[0], files=files, clips=clips)
    wholes = [first, *_others(request, caller, asks, given, may)]
    offers = [finishing.draft(ask, whole) for ask, whole in zip(asks, wholes, strict=True)] if is_draft else wholes
    if most_credits is not None and (credits := sum(offer.quote.credits for offer in offers)) > most_credits:
        raise CostsMore(
            "costs_more",
            f"The price has changed: this was {most_credits:,} credits, and is {credits:,} now.",
            next_step="Look at the new price and press the button again.",
        )
    names = [file.name or "" for file in files.values()]
    for number, offer in enumerate(offers, 1):
        said = {"prompt": offer.request.prompt, "negative_prompt": offer.request.negative_prompt}
        with _telling_which(number, len(offers)):
            gate.refuse(caller.workspace, **said, file_names=names)
    has_pictures = any(thing.kind == Kind.PICTURE and thing.content is not None for thing in given)
    line_of = caller.workspace.id if caller.workspace is not None else network
    with pictures.in_line(line_of) if has_pictures else nullcontext():
        _refuse_sum(caller.workspace, caller, offers, may, network)  # who will be refused is, before any work
        given = uploads.prepare(given)
        parts = [_with_copies(offer, repeat, given) for offer, repeat in zip(offers, repeats, strict=True)]
        if is_draft:
            parts = [replace(part, whole=whole) for part, whole in zip(parts, wholes, strict=True)]
        workspace, caller = tenancy.ensure(request, Action.GENERATE)
        with uploads.store([one for part in parts for one in part.given]), transaction.atomic():
            tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)  # waits for others who submit for it
            if made := _made_before(workspace, repeats, caller):
                return made
            _refuse_sum(workspace, caller, offers, may, network)
            taken = []
            for part in parts:
                clip = submit(
                    workspace=workspace,
                    offer=part.offer,
                    caller=caller,
                    repeat=part.repeat,
                    is_private=is_private,
                    network=network,
                    continued_seconds=continued_seconds,
                    may=may,
                )
                if part.whole is not None:
                    finishing.note(clip, part.whole)
                taken.append(clip)
            return taken


class _Models(dict[str, Model]):
    """Models by the names that requests have for them, each asked for once."""

    def __missing__(self, name: str) -> Model:
        self[name] = find_model(name)
        return self[name]


def _others(
    request: HttpRequest, caller: Caller, asks: Sequence[Ask], given: list[uploads.Input], may: Entitlements
) -> Iterator[Offer]:
    audience, models, inputs = audience_of(request, caller.workspace, may), _Models(), uploads.keys(given)
    for number, ask in enumerate(asks[1:], 2):
        with _telling_which(number, len(asks)):
            yield make_offer(replace(ask, inputs=inputs), audience, model=models[ask.model])


def _with_copies(offer: Offer, repeat: Repeat, given: Sequence[uploads.Input]) -> Part:
    copies = [
        replace(one, key=f"{stored.INPUTS}{uuid.uuid4()}/{one.key.rpartition('/')[2]}") if one.content else one
        for one in given
    ]
    asked = replace(offer.request, inputs={**offer.request.inputs, **uploads.keys(copies)})
    return Part(replace(offer, request=asked), repeat, copies)


def _made_before(workspace: Workspace, repeats: Sequence[Repeat], caller: Caller) -> list[Generation]:
    """The clips of an earlier sending: all of them or none, since they were made together."""
    try:
        if idempotency.with_same_key(workspace, repeats[0], caller=caller) is None:
            return []
        found = [idempotency.with_same_key(workspace, repeat, caller=caller) for repeat in repeats]
    except Invalid:
        raise Conflict(
            "sent_before",
            "This form was already submitted with different contents.",
            next_step="Press the button again.",
        ) from None
    return [made for made in found if made is not None]


def _refuse_sum(
    workspace: Workspace | None, caller: Caller, offers: Sequence[Offer], may: Entitlements, network: str
) -> None:
    """Refuse what together is beyond credits, caps or open clips. Certain once the workspace is locked."""
    is_refilled = workspace is None or allowance.give(workspace, now=timezone.now(), network=network)
    by_model = Counter[Model]()
    for offer in offers:
        by_model[offer.version.model] += offer.quote.credits
    checks.refuse(Candidate(workspace, caller, by_model, may, is_refilled, clips=len(offers)))


@contextmanager
def _telling_which(number: int, of: int) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        if of > 1:
            refusal.message = f"Clip {number}: {refusal.message}"
        raise
