"""What somebody who is short of credits can still make with the same model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode
from uuid import UUID

from catalog.models import ModelVersion
from catalog.offers import offer_with
from catalog.requests import Ask
from generation.pages import chips
from loremotion.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Cheaper:
    """Settings that cost less than what was asked for."""

    seconds: float
    preset: str
    credits: int

    @property
    def values(self) -> str:
        """As the form takes them."""
        return urlencode({"seconds": f"{self.seconds:g}", "preset": self.preset})


def within(credits: int, ask: Ask, version: ModelVersion, *, own_key: UUID | None = None) -> Cheaper | None:
    """Return the length and quality that come nearest to ``ask`` in price and cost at most ``credits``; None where
    nothing does.

    Args:
        own_key: as for ``offer_with``.
    """
    shown = [float(chip.value) for chip in chips.lengths(version, chosen=ask.seconds)]
    found = []
    for seconds in {*shown, version.min_seconds, version.default_seconds}:
        for preset in version.preset_names:
            try:
                asked = replace(ask, seconds=seconds, preset=preset, steps=None)
                price = offer_with(version, asked, own_key=own_key).quote.credits
            except Refusal:
                continue
            if price <= credits:
                found.append(Cheaper(seconds, preset, price))
    return max(found, key=lambda one: (one.credits, one.seconds), default=None)
