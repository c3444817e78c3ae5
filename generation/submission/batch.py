"""Several clips asked for at once: all of them are taken, and their whole price held, or none is."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from string import ascii_letters
from typing import Final

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from billing import allowance
from billing.plans import Entitlements
from catalog.models import Model
from catalog.offers import Offer
from generation.models import Generation
from generation.moderation import gate
from generation.storage import files as stored
from generation.submission import checks, finishing, idempotency, intake, pictures, remote_files, uploads
from generation.submission.checks import Candidate
from generation.submission.idempotency import Repeat, Sending
from generation.submission.intake import Sound
from generation.submission.submit import submit
from generation.submission.wanted import Wanted, fetch, look_at, telling_which
from loremotion.preferences import cancel_after_seconds
from loremotion.refusals import Invalid, TooLarge

MOST_CLIPS: Final = 48
MOST_TAKES: Final = 4
"""Of one request, made with other seeds."""
MOST_BYTES: Final = 500 * 10**6
"""Of the files that one request stores. Clips that start from the same file have a copy each."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of them as it will be made."""

    wanted: Wanted
    offer: Offer
    repeat: Repeat
    given: list[uploads.Input]
    """A copy of the files of its own, as a clip's files go with it."""
    continued_seconds: float
    whole: Offer | None = None
    """Of a draft, what it is a draft of."""


def new_sending() -> str:
    """A name for one sending of a form."""
    return get_random_string(22, ascii_letters)


def number_in_words() -> str:
    """How many clips one request may ask for."""
    return _("1 to %(most)s clips are made at once.") % {"most": MOST_CLIPS}


def take_all(
    request: HttpRequest, wanted: Sequence[Wanted], *, sending: str = "", most_credits: int | None = None
) -> list[Generation]:
    """Check everything, then hold the price of all of them and make them, or none.

    Args:
        sending: names one sending of a form: the same again is answered with the clips that it made. Without it, the
            request's headers say whether it is sent again, as for ``intake.take``.
        most_credits: what all of them may cost; None for whatever they do.

    Raises:
        CostsMore: the price of all is above ``most_credits``.
        Refusal: as ``intake.take``; says of which clip, where it is about one. Nothing is left behind.
    """
    if not 0 < len(wanted) <= MOST_CLIPS:
        raise Invalid(
            "wrong_number",
            number_in_words(),
            next_step=_("Ask for fewer."),
        )
    caller = tenancy.caller_for(request, Action.GENERATE)
    network = networks.fingerprint_of(request)
    cancel_after_seconds(request)  # says what is wrong with it before anything else is done
    repeats = _repeats(request, wanted, caller, sending)
    if caller.workspace is not None and (made := _made_before(caller.workspace, repeats, caller, sending)):
        return made
    with idempotency.noting_refusal(caller, repeats[0]):
        sounds = _look_at_all(request, caller, wanted, most_credits=most_credits, network=network)
        if any(one.start.addresses for one in wanted):  # whoever will be refused has nothing fetched
            wanted = fetch(wanted, caller, network=network)
            sounds = _look_at_all(request, caller, wanted, most_credits=most_credits, network=network)
        return _make_all(request, wanted, sounds, repeats, network=network, sending=sending)


def _make_all(
    request: HttpRequest,
    wanted: Sequence[Wanted],
    sounds: Sequence[Sound],
    repeats: Sequence[Repeat],
    *,
    network: str,
    sending: str,
) -> list[Generation]:
    """Decode what is left to be decoded, then hold and make all of them, unless another sending has done so by then."""
    life_seconds = cancel_after_seconds(request)
    caller, may = tenancy.caller_of(request), sounds[0].may
    given = {one.start: sound.given for one, sound in zip(wanted, sounds, strict=True)}
    takes_work = any(thing.takes_work for things in given.values() for thing in things)
    line_of = caller.workspace.id if caller.workspace is not None else network
    with pictures.in_line(line_of) if takes_work else nullcontext():
        if takes_work:  # whoever was before in the line may have sent the same, or taken the place: none is decoded
            if caller.workspace is not None and (
                made := _made_before(caller.workspace, repeats, caller, sending, is_locked=True)
            ):
                return made
            offers = [_offer_of(one, sound) for one, sound in zip(wanted, sounds, strict=True)]
            refuse_sum(caller.workspace, caller, offers, may, network)
        given = {
            start: uploads.prepare(things, carries_credentials=start.carries_credentials)
            for start, things in given.items()
        }
        parts = [
            _part_of(one, sound, repeat, given[one.start])
            for one, sound, repeat in zip(wanted, sounds, repeats, strict=True)
        ]
        _refuse_bytes(parts)
        workspace, caller = tenancy.ensure(request, Action.GENERATE)
        with uploads.store([one for part in parts for one in part.given]), transaction.atomic():
            tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)  # waits for others who submit for it
            if made := _made_before(workspace, repeats, caller, sending, is_locked=True):
                return made
            refuse_sum(workspace, caller, [part.offer for part in parts], may, network)
            for number, part in enumerate(parts):
                repeat = part.repeat
                if made:
                    repeat = replace(repeat, given_id=idempotency.id_behind(made[0].id, number))
                clip = submit(
                    workspace=workspace,
                    offer=part.offer,
                    caller=caller,
                    repeat=repeat,
                    is_private=part.wanted.is_private,
                    user_ref=part.wanted.user_ref,
                    network=network,
                    continued_seconds=part.continued_seconds,
                    cancel_after=timedelta(seconds=life_seconds) if life_seconds is not None else None,
                    may=may,
                )
                if part.whole is not None:
                    finishing.note(clip, part.whole)
                made.append(clip)
            return made


def _look_at_all(
    request: HttpRequest, caller: Caller, wanted: Sequence[Wanted], *, most_credits: int | None, network: str
) -> list[Sound]:
    """Each as ``intake.look_at`` finds it, once none of them, nor all together, is to be refused."""
    sounds = list(look_at(request, caller, wanted))
    offers = [_offer_of(one, sound) for one, sound in zip(wanted, sounds, strict=True)]
    intake.refuse_dear(sum(offer.quote.credits for offer in offers), most_credits=most_credits)
    for number, (one, sound, offer) in enumerate(zip(wanted, sounds, offers, strict=True), 1):
        said = {"prompt": offer.request.prompt, "negative_prompt": offer.request.negative_prompt}
        names = [
            *uploads.names_of(one.start.files, sound.given),
            *map(remote_files.name_at, one.start.addresses.values()),
        ]
        with telling_which(number, len(offers)):
            gate.refuse(caller.workspace, **said, file_names=names)
    refuse_sum(caller.workspace, caller, offers, sounds[0].may, network)
    return sounds


def _offer_of(wanted: Wanted, sound: Sound) -> Offer:
    return finishing.draft(wanted.ask, sound.offer) if wanted.is_draft else sound.offer


def _part_of(wanted: Wanted, sound: Sound, repeat: Repeat, given: Sequence[uploads.Input]) -> Part:
    copies = [
        replace(one, key=f"{stored.INPUTS}{uuid.uuid4()}/{one.key.rpartition('/')[2]}") if one.content else one
        for one in given
    ]
    offer = _offer_of(wanted, sound)
    asked = replace(offer.request, inputs={**offer.request.inputs, **uploads.keys(copies)})
    whole = sound.offer if wanted.is_draft else None
    return Part(wanted, replace(offer, request=asked), repeat, copies, sound.continued_seconds, whole)


def _refuse_bytes(parts: Sequence[Part]) -> None:
    """Refuse more than may be stored. Pictures count as they are encoded anew."""
    size = sum(one.stored_bytes for part in parts for one in part.given)
    if size > MOST_BYTES:
        raise TooLarge(
            "too_large",
            _("The files of these %(count)s clips have %(size)s MB together, as each has its own copy.")
            % {"count": len(parts), "size": f"{size / 1e6:.0f}"},
            next_step=_("Ask for fewer clips at once, or use smaller files: %(most)s MB are taken.")
            % {"most": MOST_BYTES // 10**6},
        )


def _repeats(request: HttpRequest, wanted: Sequence[Wanted], caller: Caller, sending: str) -> list[Repeat]:
    draft = ":draft" if wanted[0].is_draft else ""
    said = Sending(f"form:{sending[:64]}:{len(wanted)}{draft}:0") if sending else idempotency.read_sending(request)
    return idempotency.together(
        [
            idempotency.repeat_of(
                said,
                one.ask,
                files=one.start.files,
                clips={**one.start.clips, **one.start.addresses},
                is_private=one.is_private,
                caller=caller,
                user_ref=one.user_ref,
                carries_credentials=one.start.carries_credentials,
                is_draft=one.is_draft,
            )
            for one in wanted
        ]
    )


def _made_before(
    workspace: Workspace, repeats: Sequence[Repeat], caller: Caller, sending: str, *, is_locked: bool = False
) -> list[Generation]:
    """The clips of an earlier sending: all of them or none, since they were made together."""
    try:
        if is_locked:
            first = idempotency.with_same_key(workspace, repeats[0], caller=caller)
        else:
            first = idempotency.find_repeated(caller, repeats[0], clips=len(repeats))
        return idempotency.made_with(first, repeats, caller) if first is not None else []
    except Invalid:
        if not sending:
            raise
        raise idempotency.form_reused() from None


def refuse_sum(
    workspace: Workspace | None, caller: Caller, offers: Sequence[Offer], may: Entitlements, network: str
) -> None:
    """Refuse what together is beyond credits, caps or open clips. Certain once the workspace is locked."""
    is_refilled = workspace is None or allowance.give(workspace, now=timezone.now(), network=network)
    by_model = Counter[Model]()
    for offer in offers:
        by_model[offer.version.model] += offer.quote.credits
    checks.refuse(Candidate(workspace, caller, by_model, may, is_refilled, clips=len(offers)))
