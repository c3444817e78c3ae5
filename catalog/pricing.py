"""What a clip costs: a pure function from a model version and a checked request to whole credits.

The same function serves the page's live price, the API's quote and the receipt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final, Protocol

from catalog.models import ModelVersion
from catalog.sizes import Size

# Name → most pixels. Ascending; a version's prices must ascend with them, so that a larger clip never costs less.
TIERS: dict[str, int] = {
    "360p": 640 * 360,
    "480p": 864 * 480,
    "720p": 1280 * 736,
    "1080p": 1920 * 1088,
    "2160p": 3840 * 2176,
}
AUDIO = "audio"


class Priced(Protocol):
    """What of a request has a price."""

    @property
    def mode(self) -> str: ...
    @property
    def preset(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def num_frames(self) -> int: ...
    @property
    def fps(self) -> float: ...
    @property
    def steps(self) -> int: ...


FREE_REROLL: Final = "Free re-roll"
"""The line on the receipt of a clip that is made once more for nothing."""


def is_free_reroll(quote: Mapping[str, Any]) -> bool:
    """Whether what was quoted is a clip that is made once more for nothing."""
    return any(line.get("label") == FREE_REROLL for line in quote.get("lines", ()))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote, exact: only the sum is rounded."""

    label: str
    millicredits: Fraction


@dataclass(frozen=True, slots=True)
class Quote:
    """A price in whole credits, and what it is made of."""

    credits: int
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "credits": self.credits,
            "lines": [{"label": x.label, "millicredits": round(x.millicredits)} for x in self.lines],
        }


def tier_of(size: Size) -> str:
    """The name of the smallest tier that holds the size.

    Raises:
        ValueError: it is larger than the largest tier.
    """
    for name, pixels in TIERS.items():
        if size.pixels <= pixels:
            return name
    raise ValueError(f"{size} is larger than the largest price tier, {name}")


def tiers_of(sizes: Iterable[str]) -> list[str]:
    """The tiers that ``WIDTHxHEIGHT`` sizes fall into, ascending."""
    used = {tier_of(Size.parse(size)) for size in sizes}
    return [name for name in TIERS if name in used]


def quote(version: ModelVersion, request: Priced) -> Quote:
    """The price of one clip: at least one credit, rounded up once; monotone in seconds, size and steps.

    A preset's price is for its own number of steps; another number costs in proportion.
    """
    seconds = Fraction(request.num_frames) / Fraction(request.fps).limit_denominator(1001)
    size = Size(request.width, request.height)
    tier = tier_of(size)
    effort = Fraction(request.steps, int(version.presets[request.preset]["steps"]))
    length = f"{float(seconds):.3g} s"
    lines = [
        Line(
            f"{length} of video, {version.delivered(size)} ({tier}), {request.preset}, {request.steps} steps",
            version.prices[request.preset][tier] * seconds * effort,
        )
    ]
    if version.has_audio and version.surcharges.get(AUDIO):
        lines.append(Line(f"{length} of sound", version.surcharges[AUDIO] * seconds))
    if version.surcharges.get(request.mode):
        title = version.family_facts.modes[request.mode].title
        lines.append(Line(f"{length}, {title.lower()}", version.surcharges[request.mode] * seconds))
    exact = sum((line.millicredits for line in lines), Fraction(0))
    return Quote(credits=max(1, ceil(exact / 1000)), lines=tuple(lines))
