"""What a clip costs: a pure function from a model version and a checked request to whole credits.

The same function serves the page's live price, the API's quote and the receipt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final, Protocol

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext_noop

from catalog import seed_words, titles
from catalog.models import ModelVersion
from catalog.sizes import Size, in_words
from loremotion.stored_words import StoredWords

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


FREE_REROLL: Final = gettext_noop("Free re-roll")
"""The line on the receipt of a clip that is made once more for nothing."""
OF_VIDEO: Final = gettext_noop("%(length)s s of video, %(size)s (%(tier)s), %(preset)s, %(steps)s steps")
OF_SOUND: Final = gettext_noop("%(length)s s of sound")
OF_MODE: Final = gettext_noop("%(length)s s, %(mode)s")
LESS_ONE: Final = gettext_noop("Less %(credits)s credit paid for the draft")
LESS_SOME: Final = gettext_noop("Less %(credits)s credits paid for the draft")
OWN_KEY: Final = gettext_noop("Less %(percent)s percent: your own key, the provider bills you")
_SIZE: Final = re.compile(r"\b\d+x\d+\b")
_RECEIPTS: Final = StoredWords(
    *(FREE_REROLL, LESS_ONE, LESS_SOME, OWN_KEY, OF_VIDEO, OF_SOUND, OF_MODE),
    values={"mode": lambda mode: titles.title_of(mode.capitalize()), "preset": seed_words.preset},
)
"""Lines are kept, and answered to programs, in English."""


def receipt_words(quote: Mapping[str, Any]) -> list[str]:
    """The lines of a kept quote in the language in use, with sizes as people read them."""
    lines = (_RECEIPTS.say(str(line.get("label", ""))) for line in quote.get("lines", ()))
    return [_SIZE.sub(lambda size: in_words(size[0]), line) for line in lines]


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


def with_own_key(price: Quote, *, percent: int) -> Quote:
    """The price of a remote clip that is made with the workspace's own key, so that the provider bills the workspace:
    ``percent`` of what it costs otherwise, and one credit at least."""
    exact = sum((line.millicredits for line in price.lines), Fraction(0))
    less = Line(OWN_KEY % {"percent": 100 - percent}, exact * Fraction(percent - 100, 100))
    lines = (*price.lines, less)
    return Quote(credits=max(1, ceil(exact * percent / 100_000)), lines=lines)


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
    length = floatformat(float(seconds), "-2u")  # as pages say it, in English
    what = {"size": version.delivered(size), "tier": tier, "preset": request.preset, "steps": request.steps}
    lines = [
        Line(
            OF_VIDEO % {"length": length, **what},
            version.prices[request.preset][tier] * seconds * effort,
        )
    ]
    if version.has_audio and version.surcharges.get(AUDIO):
        lines.append(Line(OF_SOUND % {"length": length}, version.surcharges[AUDIO] * seconds))
    if version.surcharges.get(request.mode):
        title = version.family_facts.modes[request.mode].title
        lines.append(
            Line(OF_MODE % {"length": length, "mode": title.lower()}, version.surcharges[request.mode] * seconds)
        )
    exact = sum((line.millicredits for line in lines), Fraction(0))
    return Quote(credits=max(1, ceil(exact / 1000)), lines=tuple(lines))
