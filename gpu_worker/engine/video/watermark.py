"""Words in the corner of a clip: there for whoever looks for them, out of the way of whoever does not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Picture = npt.NDArray[np.uint8]
"""``(height, width, 3)``, sRGB."""

_HEIGHT_OF_WORDS = 0.036
"""Of the clip's shorter side: 14 pixels of 384, 39 of 1080."""
_FEWEST_PIXELS = 9
"""Smaller letters cannot be read."""
_MOST_OF_WIDTH = 0.45
_LIGHT, _SHADE = 0.72, 0.5
"""How much of the letters, and of the dark rim that shows them on white, covers the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """``colour`` is laid over the box at ``top``, ``left`` as far as ``cover`` says, 0 … 1."""

    top: int
    left: int
    cover: npt.NDArray[np.float32]
    colour: npt.NDArray[np.float32]

    def over(self, picture: Picture) -> Picture:
        """A copy of ``picture`` with the mark on it."""
        height, width, _ = self.cover.shape
        box = (slice(self.top, self.top + height), slice(self.left, self.left + width))
        marked = picture.copy()
        marked[box] = np.rint(picture[box] * (1 - self.cover) + self.colour * self.cover).astype(np.uint8)
        return marked


@lru_cache(maxsize=8)
def mark_of(words: str, *, width: int, height: int) -> Mark:
    """``words`` in the lower right corner of a picture of this size."""
    size = max(_FEWEST_PIXELS, round(min(width, height) * _HEIGHT_OF_WORDS))
    letters = _letters(words, size)
    while letters.width > width * _MOST_OF_WIDTH and size > _FEWEST_PIXELS:
        size -= 1
        letters = _letters(words, size)
    letters = letters.crop((0, 0, min(letters.width, width), min(letters.height, height)))
    inset = max(1, size // 2)
    light, rim = (np.asarray(band, np.float32)[..., None] / 255 for band in letters.split())
    cover = np.maximum(light * _LIGHT, rim * _SHADE)
    top, left = max(0, height - letters.height - inset), max(0, width - letters.width - inset)
    return Mark(top, left, cover, (light * 255).astype(np.float32))


def _letters(words: str, size: int) -> Image.Image:
    """Two bands: the letters, and the letters with a rim around them."""
    font = ImageFont.load_default(size)
    rim = max(1, size // 10)
    left, top, right, bottom = font.getbbox(words, stroke_width=rim)
    extent = (max(1, int(right - left)), max(1, int(bottom - top)))
    bands = []
    for stroke in (0, rim):
        band = Image.new("L", extent)
        ImageDraw.Draw(band).text((-left, -top), words, fill=255, font=font, stroke_width=stroke)
        bands.append(band)
    return Image.merge("LA", bands)
