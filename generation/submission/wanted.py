"""Clips that are asked for at once, and how they are looked at: what several have in common is looked at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from accounts import tenancy
from accounts.caller import Caller
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import MAX_SEED, Ask
from catalog.selection import find_model
from generation.submission import characters, intake, remote_files, uploads
from generation.submission.audience import audience_of
from generation.submission.intake import Sound
from loremotion.refusals import Refusal


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a clip starts from, by role: files, ids of own clips, with characters beside them, and addresses of files,
    which are fetched once all else is sound. Clips may share one, which is looked at once."""

    files: Mapping[str, UploadedFile[Any]] = field(default_factory=dict)
    clips: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    carries_credentials: bool = False
    """As for ``intake.take``."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One clip of those that are asked for."""

    ask: Ask
    start: Start
    is_private: bool | None = None
    """As for ``intake.take``, and so ``user_ref``."""
    user_ref: str = ""
    is_draft: bool = False
    """Whether a draft of it is made, for ``finishing`` to finish."""


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
    audience, models = audience_of(request, tenancy.caller_of(request).workspace), Models()
    offers = []
    for number, ask in enumerate(asks, 1):
        with telling_which(number, len(asks)):
            offers.append(make_offer(ask, audience, model=models[ask.model]))
    return offers


def look_at(request: HttpRequest, caller: Caller, wanted: Sequence[Wanted]) -> Iterator[Sound]:
    """Each as ``intake.look_at`` finds it: who may what, each model, and what several start from, are asked once."""
    first = wanted[0]
    are_takes = all(
        one.start is first.start and replace(one.ask, seed=None) == replace(first.ask, seed=None) for one in wanted
    )
    of = 1 if are_takes else len(wanted)
    with telling_which(1, of):
        found = intake.look_at(request, caller, first.ask, **_said(first.start))
    yield found
    audience, models = audience_of(request, caller.workspace, found.may), Models()
    given = {first.start: found.given}
    for number, one in enumerate(wanted[1:], 2):
        with telling_which(number, of):
            if one.start not in given:
                given[one.start] = intake.inputs_of(caller, **_said(one.start))
            inputs = given[one.start]
            with characters.telling_of(one.start.clips):
                asked = replace(one.ask, inputs=uploads.keys(inputs))
                offer = make_offer(asked, audience, model=models[one.ask.model])
            yield Sound(inputs, offer, found.may, intake.continued_seconds(offer, inputs))


def fetch(wanted: Sequence[Wanted], caller: Caller, *, network: str) -> list[Wanted]:
    """The same with the files that were named by an address, each start's once."""
    starts: dict[Start, Start] = {}
    for number, one in enumerate(wanted, 1):
        if one.start not in starts:
            with telling_which(number, len(wanted)):
                files = remote_files.fetch(one.start.addresses, caller, network=network)
            starts[one.start] = replace(one.start, files={**one.start.files, **files}, addresses={})
    return [replace(one, start=starts[one.start]) for one in wanted]


@contextmanager
def telling_which(number: int, of: int, *, thing: str = "Clip") -> Iterator[None]:
    """What the block refuses is said of the ``number``-th clip, or other ``thing``, of several."""
    try:
        yield
    except Refusal as refusal:
        if of > 1:
            refusal.message = f"{thing} {number}: {refusal.message}"
        raise


class Models(dict[str, Model]):
    """Models by the names that requests have for them, each asked for once."""

    def __missing__(self, name: str) -> Model:
        self[name] = find_model(name)
        return self[name]


def _said(start: Start) -> dict[str, Any]:
    return {"files": start.files, "clips": start.clips, "addresses": start.addresses}
