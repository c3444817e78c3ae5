"""What a model's clips cost by length, size and quality: the table of its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from django.utils.formats import number_format
from django.utils.translation import gettext

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
        return f"{number_format(f'{round(self.seconds, 1):g}')} s"


@dataclass(frozen=True, slots=True)
class LengthPrices:
    """The prices of one quality."""

    preset: str
    steps: int
    sizes: list[Size]
    """Of the MP4: the largest of each price tier that costs something else than the one above, the smallest first."""
    rows: list[Row]

    @property
    def title(self) -> str:
        return gettext(self.preset.capitalize())


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
    priced = {
        size: {
            (preset, each): _credits(version, preset, size, each) for preset in version.preset_names for each in frames
        }
        for size in sizes
    }
    # A size that costs what the next larger one does in all of it says nothing of its own: "up to" holds both.
    told = [size for size, larger in pairwise(sizes) if priced[size] != priced[larger]] + sizes[-1:]
    return [
        LengthPrices(
            preset,
            int(version.presets[preset]["steps"]),
            [version.delivered(size) for size in told],
            [Row(each / version.fps, [priced[size][preset, each] for size in told]) for each in frames],
        )
        for preset in version.preset_names
    ]


def by_length(tables: Sequence[LengthPrices]) -> list[tuple[str, list[int]]]:
    """Each length with its prices of all qualities, one after the other: one table in place of several."""
    return [
        (rows[0].label, [credits for row in rows for credits in row.credits])
        for rows in zip(*(table.rows for table in tables), strict=True)
    ]


def _lengths(version: ModelVersion) -> list[float]:
    low, high = version.min_seconds, version.max_seconds
    return [low, *(seconds for seconds in LENGTHS if low < seconds < high), high, version.default_seconds]


def _credits(version: ModelVersion, preset: str, size: Size, num_frames: int) -> int:
    steps = int(version.presets[preset]["steps"])
    clip = _Clip(version.modes[0], preset, size.width, size.height, num_frames, version.fps, steps)
    return quote(version, clip).credits
