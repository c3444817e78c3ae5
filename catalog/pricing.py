"""What a clip costs: a pure function from a model version and a checked request to whole credits.

The same function serves the page's live price, the API's quote and the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Protocol

from catalog.models import ModelVersion

# Upper bound in pixels → price in hundredths of the model's base price. Ascending, so that a larger clip never costs less.
RESOLUTION_TIERS: tuple[tuple[int, str, int], ...] = (
    (640 * 360, "up to 360p", 100),
    (854 * 480, "480p", 150),
    (1280 * 736, "720p", 300),
    (1920 * 1088, "1080p", 700),
    (2**62, "above 1080p", 1600),
)


class Priced(Protocol):
    """What of a request has a price."""

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


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote. ``millicredits`` is exact; only the sum is rounded."""

    label: str
    millicredits: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A price in whole credits, and what it is made of."""

    credits: int
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "credits": self.credits,
            "lines": [{"label": x.label, "millicredits": x.millicredits} for x in self.lines],
        }


def quote(version: ModelVersion, request: Priced) -> Quote:
    """The price of one clip: at least one credit, rounded up once, monotone in seconds, size and steps."""
    _, tier, hundredths = next(t for t in RESOLUTION_TIERS if request.width * request.height <= t[0])
    seconds = Fraction(request.num_frames) / Fraction(request.fps).limit_denominator(1001)
    effort = Fraction(request.steps, int(version.presets[version.default_preset]["steps"]))
    exact = ceil(version.millicredits_per_second * seconds * effort * Fraction(hundredths, 100))
    label = f"{float(seconds):.3g} s of video, {tier}, {request.steps} steps"
    return Quote(credits=max(1, ceil(Fraction(exact, 1000))), lines=(Line(label, exact),))
