"""Writing a label into the brightness of a picture, as strongly as the picture hides it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gpu_worker.media.invisible_id import pattern

Luma = npt.NDArray[np.uint8]
"""``(height, width)``, 16 to 235."""

STRENGTH: Final = 2.2
_BLOCK: Final = 8
_LEAST, _MOST = 0.27, 2.2
"""How much of the strength flat ground bears, and how much the busiest."""
_ACTIVITY_FOR_MORE: Final = 16.0
_DARK: Final = 120.0
_BLACK, _WHITE = 16, 235


class Marking:
    """Writes one id into pictures of one size."""

    def __init__(self, key: str, label_id: int, height: int, width: int, *, strength: float = STRENGTH) -> None:
        self._rows, self._columns = -(-height // _BLOCK), -(-width // _BLOCK)
        self._height, self._width = height, width
        self._pattern = strength * pattern.spread(pattern.tile_of(key, label_id), height, width)
        self._across = _between(width, self._columns)
        self._down = _between(height, self._rows)

    def mark(self, luma: Luma) -> Luma:
        """The picture with the label in it. The same picture always gives the same."""
        hidden = self._down @ self._bearable(luma) @ self._across.T
        hidden *= self._pattern
        hidden += luma
        hidden += 0.5
        return np.clip(hidden, _BLACK, _WHITE, out=hidden).astype(np.uint8)

    def _bearable(self, luma: Luma) -> pattern.Floats:
        """How much each block hides: what is busy much, flat ground little, and the dark less."""
        quiet = luma[: self._height // 2 * 2 : 2, : self._width // 2 * 2 : 2].astype(np.float32)
        half = _BLOCK // 2
        height, width = -quiet.shape[0] % half, -quiet.shape[1] % half
        if height or width:
            quiet = np.pad(quiet, ((0, height), (0, width)), mode="edge")
        blocks = quiet.reshape(quiet.shape[0] // half, half, -1, half)
        mean = blocks.mean(axis=(1, 3))
        square = (blocks * blocks).mean(axis=(1, 3))
        activity = np.sqrt(np.maximum(_least_of_neighbours(square - mean * mean), 0))
        strength = np.clip(_LEAST + activity / _ACTIVITY_FOR_MORE, _LEAST, _MOST)
        in_the_dark = np.clip(0.6 + mean / _DARK, 0.6, 1.0)
        return np.asarray((strength * in_the_dark)[: self._rows, : self._columns], np.float32)


def _least_of_neighbours(blocks: pattern.Floats) -> pattern.Floats:
    """The least of each block and those around it, so that flat ground beside an edge stays flat."""
    around = np.pad(blocks, 1, mode="edge")
    lines = np.minimum(np.minimum(around[:-2], around[1:-1]), around[2:])
    least: pattern.Floats = np.minimum(np.minimum(lines[:, :-2], lines[:, 1:-1]), lines[:, 2:])
    return least


def _between(count: int, blocks: int) -> pattern.Floats:
    """``(count, blocks)``: each line's shares of the two blocks between whose middles it lies."""
    at = np.clip((np.arange(count) + 0.5) / _BLOCK - 0.5, 0, blocks - 1)
    below = np.minimum(at.astype(int), max(blocks - 2, 0))
    shares = np.zeros((count, blocks), np.float32)
    lines = np.arange(count)
    shares[lines, below] = 1 - (at - below)
    if blocks > 1:
        shares[lines, below + 1] = at - below
    return shares
