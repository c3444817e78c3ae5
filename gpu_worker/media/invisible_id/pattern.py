"""The pattern that carries a label: a tile of middle frequencies with the key's phases, repeated over the picture."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gpu_worker.media.invisible_id import code

Floats = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex128]

TILE: Final = 256
HEIGHT: Final = 512
"""Every picture is thought of as this many lines high, so that a copy in another size carries the same tile."""
MOST_WIDTH: Final = 5 * HEIGHT // 2
"""Of a picture of that height in which a label is looked for."""
_LOWEST, _HIGHEST = 0.025, 0.115
"""Cycles a line: below it the picture is louder than the label, above it half a picture's size keeps nothing."""
_SYNCHRONISING_SHARE: Final = 0.3


class Carrier(NamedTuple):
    """What a key makes of the tile's spectrum: one half-plane of ``rfft2``, flat."""

    places: npt.NDArray[np.intp]
    phases: Spectrum
    bits: npt.NDArray[np.intp]
    """The coded bit on each place, or -1 where the pattern is always the same and tells where the tile begins."""

    @property
    def synchronising(self) -> Spectrum:
        """``(TILE, TILE // 2 + 1)``: the part that is always the same."""
        whole = np.zeros(TILE * (TILE // 2 + 1), np.complex128)
        same = self.bits < 0
        whole[self.places[same]] = self.phases[same]
        return whole.reshape(TILE, -1)


@lru_cache(maxsize=4)
def carrier(key: str) -> Carrier:
    """The carrier of a site's key, which is any text. Whoever knows it can write and remove labels."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    chance = np.random.Generator(np.random.PCG64(seed))
    radius = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    inside = (radius >= _LOWEST) & (radius <= _HIGHEST) & (np.fft.rfftfreq(TILE)[None] > 0)
    places = np.flatnonzero(inside)
    order, count = chance.permutation(len(places)), int(len(places) * _SYNCHRONISING_SHARE)
    bits = np.empty(len(places), np.intp)
    bits[order[:count]] = -1
    bits[order[count:]] = np.arange(len(places) - count) % code.CODED_BITS
    return Carrier(places, np.exp(2j * np.pi * chance.random(len(places))), bits)


def tile_of(key: str, label_id: int) -> Floats:
    """The tile that carries ``label_id``: ``(TILE, TILE)``, its deviation 1."""
    places, phases, bits = carrier(key)
    signs = np.append(2.0 * code.encode(label_id) - 1, 1.0)[bits]
    whole = np.zeros(TILE * (TILE // 2 + 1), np.complex128)
    whole[places] = phases * signs
    tile = np.fft.irfft2(whole.reshape(TILE, -1), s=(TILE, TILE))
    return np.asarray(tile / tile.std(), np.float32)


def spread(tile: Floats, height: int, width: int) -> Floats:
    """The tile repeated over a picture of ``height`` times ``width``, in the size that it has there."""
    over = _sampled(tile, height, HEIGHT / height)
    return np.ascontiguousarray(_sampled(np.ascontiguousarray(over.T), width, HEIGHT / height).T)


def _sampled(tile: Floats, count: int, step: float) -> Floats:
    """Rows of the endless tile, ``step`` apart, between two of them in proportion."""
    at = (np.arange(count) + 0.5) * step - 0.5
    below = np.floor(at).astype(int)
    share = (at - below).astype(np.float32)[:, None]
    sampled: Floats = tile[below % TILE] * (1 - share) + tile[(below + 1) % TILE] * share
    return sampled
