"""What a clip of a common kind costs with each model, so that credits mean something to whoever buys them."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import Model, ModelVersion
from catalog.offers import make_offer
from catalog.pricing import TIERS
from catalog.requests import Ask
from loremotion.refusals import Refusal

SECONDS = 5.0
TIER = "720p"


@dataclass(frozen=True, slots=True)
class ClipPrice:
    """``credits`` for one clip of ``seconds`` in ``size``, at today's price."""

    model: str
    seconds: float
    size: str
    credits: int


def clip_prices() -> list[ClipPrice]:
    """Of every model that people can choose: 5 seconds in 720p, or what comes nearest to that with it."""
    prices = []
    for model in Model.objects.for_people():
        version = model.current
        if version is None:
            continue
        ask = Ask(prompt="a clip", model=model.slug, seconds=_seconds(version), size=_size(version))
        try:
            offer = make_offer(ask)
        except Refusal:
            continue  # its licence or plan gate is not for everybody
        request = offer.request
        size = version.delivered(f"{request.width}x{request.height}").replace("x", "×")
        prices.append(ClipPrice(model.name, round(request.seconds, 1), size, offer.quote.credits))
    return prices


def _seconds(version: ModelVersion) -> float:
    return min(max(SECONDS, version.min_seconds), version.max_seconds)


def _size(version: ModelVersion) -> str | None:
    """The largest size within the tier, else the model's own default."""
    within = []
    for size in version.sizes:
        width, height = (int(side) for side in size.split("x"))
        if width * height <= TIERS[TIER]:
            within.append((width * height, size))
    return max(within)[1] if within else None
