"""What a model's clips cost by length, size and quality: the table of its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from catalog.models import ModelVersion
from catalog.pricing import quote, tier_of
from catalog.sizes import Size

LENGTHS: Final = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Row:
    """The prices of one length, in the order of the table's sizes."""

    seconds: float
    credits: list[int]

    @property
    def label(self) -> str:
        return f"{round(self.seconds, 1):g} s"


@dataclass(frozen=True, slots=True)
class LengthPrices:
    """The prices of one quality."""

    preset: str
    steps: int
    sizes: list[Size]
    """Of the MP4: the largest of each price tier, the smallest tier first."""
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class _Clip:
    mode: str
    preset: str
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int


def length_prices(version: ModelVersion) -> list[LengthPrices]:
    """The price of a clip in the model's first mode, quality by quality, the default first. Asks no store."""
    sizes = list(
        {
            tier_of(size): size for size in sorted(map(Size.parse, version.sizes), key=lambda s: (s.pixels, s.width))
        }.values()
    )
    frames = sorted({version.family_facts.frames_for(seconds, version.fps) for seconds in _lengths(version)})
    return [
        LengthPrices(
            preset,
            int(version.presets[preset]["steps"]),
            [version.delivered(size) for size in sizes],
            [Row(each / version.fps, [_credits(version, preset, size, each) for size in sizes]) for each in frames],
        )
        for preset in version.preset_names
    ]


def _lengths(version: ModelVersion) -> list[float]:
    low, high = version.min_seconds, version.max_seconds
    return [low, *(seconds for seconds in LENGTHS if low < seconds < high), high, version.default_seconds]


def _credits(version: ModelVersion, preset: str, size: Size, num_frames: int) -> int:
    steps = int(version.presets[preset]["steps"])
    clip = _Clip(version.modes[0], preset, size.width, size.height, num_frames, version.fps, steps)
    return quote(version, clip).credits
