"""A hash by which a picture is found again after it was encoded anew, made smaller or marked in a corner."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

SIDE: Final = 16
_STEP: Final = 2.0
"""Grey levels by which neighbours differ at least: flat ground has no bits, whatever grain lies on it."""
_FEWEST_BITS: Final = 24
"""That are set, and that are not. A picture with less to it looks like many others, and gets no hash."""
_FEWEST_ROWS: Final = 6
"""That differ: a wall, a sky and bars at the sides are the same from top to bottom, whatever they show."""
MOST_DIFFERENT_BITS: Final = 15
"""Between pictures that count as the same; ``benchmarks.likeness`` says how often copies are found, and others by
mistake."""
BANDS: Final = 8
BAND_DIGITS: Final = 8
"""Hexadecimal digits of a band: two rows of the picture. Most copies have a band in common with their picture."""
_FLAT: Final = ({"0"}, {"f"})
_BT709: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


def hash_of(picture: npt.NDArray[np.uint8]) -> str:
    """Return 256 bits of ``(height, width, 3)`` as hexadecimal digits; nothing for a picture that shows too little.

    A bit says whether a cell of 16 rows and 17 columns is darker than the one to its right. Copies differ in a few.
    """
    cells = _cells(picture.astype(np.float32) @ _BT709)
    bits = cells[:, 1:] - cells[:, :-1] > _STEP
    is_telling = _FEWEST_BITS <= int(bits.sum()) <= bits.size - _FEWEST_BITS
    if not is_telling or len({row.tobytes() for row in bits}) < _FEWEST_ROWS:
        return ""
    return np.packbits(bits).tobytes().hex()


def bands_of(hashed: str, digits: int = BAND_DIGITS) -> list[tuple[int, str]]:
    """Return the parts of a hash, each with its place, without those that many pictures have: flat, or one slope.

    Hashes that differ in fewer bits than they have parts share one, if that is not such a one. Of those that differ in
    more bits most do: with eight parts 97 in 100 where chance picks 10 bits, 73 where it picks 15. Shorter parts lose
    none of these, and more pictures share each: they suit where there are few to be found.
    """
    parts = [hashed[at : at + digits] for at in range(0, len(hashed), digits)]
    return [(place, part) for place, part in enumerate(parts) if set(part) not in _FLAT]


def distance(one: str, other: str) -> int:
    """Return the bits in which two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _cells(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Means of 16 × 17 cells that cover the picture."""
    height, width = luma.shape
    rows = np.add.reduceat(luma, np.arange(SIDE) * height // SIDE, axis=0)
    sums = np.add.reduceat(rows, np.arange(SIDE + 1) * width // (SIDE + 1), axis=1)
    tall = np.diff(np.append(np.arange(SIDE) * height // SIDE, height))
    wide = np.diff(np.append(np.arange(SIDE + 1) * width // (SIDE + 1), width))
    return np.asarray(sums / (tall[:, None] * wide[None]), np.float32)
