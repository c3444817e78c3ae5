"""A draft: the same clip for less, with the same seed, size and length, so that it shows how the whole comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from math import ceil
from typing import Final

from catalog.offers import Offer, offer_with
from catalog.requests import Ask
from catalog.validation import SCHEDULES
from loremotion.refusals import Refusal

_SHARE_OF_STEPS: Final = 3
"""A draft takes one step of so many, where the model has no cheaper preset. Far fewer show nothing."""


def draft_of(ask: Ask, whole: Offer) -> Offer | None:
    """What shows for less how ``whole``, the offer of ``ask``, would come out: its cheapest preset, or else fewer steps
    of its own. None where neither is cheaper, once whole credits are counted.

    The size stays: with another one the same seed makes another clip.
    """
    request, version = whole.request, whole.version
    same = replace(ask, mode=request.mode, seed=request.seed, inputs=request.inputs)
    presets = [replace(same, preset=name, steps=None) for name in version.preset_names if name != request.preset]
    fewer = [replace(same, preset=request.preset, steps=ceil(request.steps / _SHARE_OF_STEPS))]
    is_scheduled = any(name in version.presets[request.preset] for name in SCHEDULES)  # made for its own steps alone
    return _cheapest(whole, presets) or (None if is_scheduled else _cheapest(whole, fewer))


def _cheapest(whole: Offer, asks: Iterable[Ask]) -> Offer | None:
    cheaper = [offer for offer in _offers(whole, asks) if offer.quote.credits < whole.quote.credits]
    return min(cheaper, key=lambda offer: offer.quote.credits, default=None)


def _offers(whole: Offer, asks: Iterable[Ask]) -> Iterator[Offer]:
    for ask in asks:
        with suppress(Refusal):
            yield offer_with(whole.version, ask, own_key=whole.own_key)
