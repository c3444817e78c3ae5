"""The way in that pages and the API share: what was sent, the offer, the caller's workspace, the request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.roles import Action
from billing.plans import Entitlements, send_entitlements
from catalog.offers import Offer, make_offer
from catalog.requests import Ask
from catalog.selection import send_model
from generation.models import Generation
from generation.submission import characters, idempotency, pictures, remote_files, uploads
from generation.submission.audience import audience_of
from generation.submission.submit import look_ahead, submit
from gpu_worker.media.bounds import MOST_SECONDS
from loremotion import prepared
from loremotion.preferences import cancel_after_seconds
from loremotion.refusals import Conflict, Invalid


def take(
    request: HttpRequest,
    ask: Ask,
    *,
    files: Mapping[str, UploadedFile[Any]],
    clips: Mapping[str, str],
    addresses: Mapping[str, str] = MappingProxyType({}),
    is_private: bool | None = None,
    user_ref: str = "",
    carries_credentials: bool = False,
    most_credits: int | None = None,
) -> Generation:
    """Check everything, the cheap things first, then make the request; a newcomer gets a workspace only once the
    request is sound.

    The same request again, by its ``Idempotency-Key`` or as a client's retry, is answered with the clip that it made.

    Args:
        files: pictures, videos and sounds by role.
        clips: ids of own clips by role, of which a file in the same role goes before; and characters by their ids or
            names, as ``characters.NAMED`` has them.
        addresses: of files by role, fetched once all else is sound.
        is_private: whether others of the team do not see it; None leaves that to the team.
        user_ref: what the caller's own program calls it.
        carries_credentials: whether Content Credentials that the files have go into the clip's own.
        most_credits: what it may cost; None for whatever it does. No part of what makes two requests the same.

    Raises:
        CostsMore: its price is above ``most_credits``.
        Refusal: with the field, the cause and the next step. Nothing is left behind.
    """
    caller = tenancy.caller_for(request, Action.GENERATE)
    network = networks.fingerprint_of(request)
    said: Any = {"files": files, "clips": clips, "addresses": addresses, "is_private": is_private, "user_ref": user_ref}
    said["carries_credentials"] = carries_credentials
    cancel_after = cancel_after_seconds(request)
    repeat = idempotency.read_repeat(request, ask, **said, caller=caller)
    if (made := idempotency.find_repeated(caller, repeat)) is not None:
        return made
    with idempotency.noting_refusal(caller, repeat):
        if addresses:  # whoever will be refused has nothing fetched
            given, offer, may = look_at(request, caller, ask, files=files, clips=clips, addresses=addresses)[:3]
            refuse_dear(offer.quote.credits, most_credits=most_credits)
            names = [*uploads.names_of(files, given), *map(remote_files.name_at, addresses.values())]
            look_ahead(caller.workspace, offer, caller, network=network, may=may, file_names=names)
            files = {**files, **remote_files.fetch(addresses, caller, network=network)}
        given, offer, may, continued_seconds = look_at(request, caller, ask, files=files, clips=clips)
        refuse_dear(offer.quote.credits, most_credits=most_credits)
        takes_work = any(thing.takes_work for thing in given)
        line_of = caller.workspace.id if caller.workspace is not None else network
        with pictures.in_line(line_of) if takes_work else nullcontext():  # who will be refused is, before any work
            if takes_work and (made := _made_by_the_one_before(caller, repeat)) is not None:
                return made
            if given or caller.workspace is None:  # without files ``submit`` is as early
                names = uploads.names_of(files, given)
                look_ahead(caller.workspace, offer, caller, network=network, may=may, file_names=names)
            given = uploads.prepare(given, carries_credentials=carries_credentials)
            workspace, caller = tenancy.ensure(request, Action.GENERATE)
            with uploads.store(given):
                return submit(
                    workspace=workspace,
                    offer=offer,
                    caller=caller,
                    repeat=repeat,
                    is_private=is_private,
                    network=network,
                    continued_seconds=continued_seconds,
                    user_ref=user_ref,
                    cancel_after=timedelta(seconds=cancel_after) if cancel_after is not None else None,
                    may=may,
                )


def _made_by_the_one_before(caller: Caller, repeat: idempotency.Repeat) -> Generation | None:
    """What the same request made that was before this one in the line."""
    return idempotency.with_same_key(caller.workspace, repeat, caller=caller) if caller.workspace is not None else None


def refuse_dear(credits: int, *, most_credits: int | None) -> None:
    """Refuse a price above ``most_credits``, where there is such a limit.

    Raises:
        CostsMore: with the price.
    """
    if most_credits is not None and credits > most_credits:
        raise CostsMore(
            "costs_more",
            f"This costs {credits:,} credits, and max_credits allows {most_credits:,}.",
            next_step="Raise max_credits, or ask for a shorter or smaller clip.",
            field="max_credits",
            figures={"credits": credits},
        )


class CostsMore(Conflict):
    """The price is above what whoever asks was ready to pay."""


def price_has_changed(shown: int | None, refusal: CostsMore) -> CostsMore:
    """``refusal`` in the words of whoever pressed a button that said a price."""
    return CostsMore(
        refusal.code,
        _("The price has changed: this was %(shown)s credits, and is %(now)s now.")
        % {"shown": intcomma(shown or 0), "now": intcomma(refusal.figures["credits"])},
        next_step=_("Look at the new price and press the button again."),
    )


class Sound(NamedTuple):
    """A request that the model can serve, of this caller."""

    given: list[uploads.Input]
    offer: Offer
    may: Entitlements
    continued_seconds: float


def look_at(
    request: HttpRequest,
    caller: Caller,
    ask: Ask,
    *,
    files: Mapping[str, UploadedFile[Any]],
    clips: Mapping[str, str],
    addresses: Mapping[str, str] = MappingProxyType({}),
) -> Sound:
    """Check what is asked for as ``take`` does, and keep nothing. Files are looked at and not decoded, or not fetched.

    Raises:
        Refusal: as ``take``.
    """
    given = inputs_of(caller, files=files, clips=clips, addresses=addresses)
    ask = replace(ask, inputs=uploads.keys(given))
    account = caller.workspace.id if caller.workspace is not None else None
    entitled, called = prepared.together(lambda: send_entitlements(account), lambda: send_model(ask.model))
    may = entitled()
    with characters.telling_of(clips):
        offer = make_offer(ask, audience_of(request, caller.workspace, may), model=called())
    return Sound(given, offer, may, continued_seconds(offer, given))


def inputs_of(
    caller: Caller,
    *,
    files: Mapping[str, UploadedFile[Any]],
    clips: Mapping[str, str],
    addresses: Mapping[str, str] = MappingProxyType({}),
) -> list[uploads.Input]:
    """What a clip starts from, looked at and neither decoded nor fetched. Raises as ``uploads.own_clip``,
    ``characters.given_by`` and ``uploads.receive``."""
    own = {role: clip for role, clip in clips.items() if role not in files and role not in characters.NAMED}
    cast = characters.given_by(caller, clips, beside=[*own, *files, *addresses])
    return [
        *(uploads.own_clip(role, clip, caller) for role, clip in own.items()),
        *cast,
        *uploads.receive(files, named=addresses),
    ]


def continued_seconds(offer: Offer, given: Iterable[uploads.Input]) -> float:
    """How long the own clip is that the new one goes on from, and holds; 0 where there is none.

    Raises:
        Invalid: the whole would be longer than a clip can be.
    """
    if not offer.version.family_facts.modes[offer.request.mode].is_continuation:
        return 0.0
    continued = next((thing.seconds for thing in given if thing.role == "video"), 0.0)
    if continued + offer.request.seconds > MOST_SECONDS:
        raise Invalid(
            "too_long",
            _("The clip is %(length)s seconds long. With %(more)s more it would pass the limit of %(most)s seconds.")
            % {
                "length": floatformat(continued, "-2"),
                "more": floatformat(offer.request.seconds, "-2"),
                "most": MOST_SECONDS,
            },
            next_step=_("Add fewer seconds, or start a new clip."),
            field="video",
        )
    return continued
