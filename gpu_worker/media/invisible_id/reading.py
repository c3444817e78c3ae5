"""Reading a label from the pictures of a copy, which may be smaller, cut or encoded anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gpu_worker.media.invisible_id import code, pattern
from gpu_worker.media.invisible_id.pattern import HEIGHT, MOST_WIDTH, TILE, Floats, Spectrum

_CLEAREST: Final = 4.5
"""How far above the rest the place where the tile begins must stand to be worth a try: the checksum decides."""
_GROUND, _NEAR = 25, 17
"""Lines around a point that tell its ground, and how loud the picture is there."""
_KEY_PICTURE_WEIGHS: Final = 6.0
"""As much as so many others. An encoder spends most on it; in the others a coarse one lets the label move along with
what the picture shows, so that it blurs where they are added up."""
_PLACES_TRIED: Final = 2
SCALES: Final = (1.0, *(round(0.996 - 0.004 * step, 3) for step in range(50)))
"""What is left of the height when a copy is cut and enlarged again."""
_DOWN: Final = np.fft.fftfreq(TILE)[:, None]
_ACROSS: Final = np.fft.rfftfreq(TILE)[None]


class Picture(NamedTuple):
    """One of a video's."""

    luma: npt.NDArray[np.uint8]
    """``(height, width)``"""
    is_key: bool
    """Whether it was encoded on its own."""


class Found(NamedTuple):
    id: int
    clearness: float
    """How far the place of the tile stood above the rest, in deviations."""
    scale: float


def gather(pictures: Iterable[Picture]) -> Floats | None:
    """The sum of what a label can lie in, ``(HEIGHT, width)``, of a video's pictures, all of one size. It takes no key.
    Of very wide ones it is the first ``MOST_WIDTH`` columns, as the tile repeats. None where there is no picture."""
    whole: Floats | None = None
    for luma, is_key in pictures:
        remainder = _remainder(_in_common_size(luma[:, : max(1, luma.shape[0] * MOST_WIDTH // HEIGHT)]))
        if is_key:
            remainder *= _KEY_PICTURE_WEIGHS
        whole = remainder if whole is None else whole + remainder
    return whole


def read(gathered: Floats, key: str, *, scales: Iterable[float] = SCALES) -> Found | None:
    """The label in what was gathered; None when none is found at any of the ``scales``. Each takes some milliseconds:
    whoever has no more time gives no more of them."""
    carrier = pattern.carrier(key)
    synchronising = np.conj(carrier.synchronising)
    for scale in scales:
        spectrum = _spectrum(_shrunk(gathered, scale))
        for clearness, place in _places(spectrum, synchronising):
            label_id = code.decode(_soft_bits(spectrum, carrier, place)) if clearness >= _CLEAREST else None
            if label_id is not None:
                return Found(label_id, clearness, scale)
    return None


def _in_common_size(picture: npt.NDArray[np.uint8]) -> Floats:
    scale = HEIGHT / picture.shape[0]
    if (count := int(1 / scale)) > 1 and picture.shape[1] >= count:  # the mean of whole blocks first: it takes less
        height, width = (side // count for side in picture.shape)
        blocks = picture[: height * count, : width * count].reshape(height, count, width, count)
        picture, scale = blocks.mean(axis=(1, 3), dtype=np.float32), scale * count
    height, width = HEIGHT, max(1, round(picture.shape[1] * scale))
    down, across = _weights(picture.shape[0], height), _weights(picture.shape[1], width)
    return np.asarray(down @ picture.astype(np.float32) @ across.T, np.float32)


def _shrunk(gathered: Floats, scale: float) -> Floats:
    """What was gathered at up to a fifth less of its size, between two of its lines in proportion."""
    for axis in (0, 1):
        old = gathered.shape[axis]
        at = np.clip((np.arange(max(1, round(old * scale))) + 0.5) / scale - 0.5, 0, old - 1)
        below = np.minimum(at.astype(int), max(old - 2, 0))
        share = np.expand_dims((at - below).astype(np.float32), 1 - axis)
        above = np.minimum(below + 1, old - 1)
        gathered = gathered.take(below, axis) * (1 - share) + gathered.take(above, axis) * share
    return gathered


def _weights(old: int, new: int) -> Floats:
    """``(new, old)``: the share of each old line in each new one, over the new one's width and no less than one old."""
    at = (np.arange(new) + 0.5) * old / new - 0.5
    reach = max(1.0, old / new)
    weights = np.maximum(0, 1 - np.abs(np.arange(old)[None] - at[:, None]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _remainder(picture: Floats) -> Floats:
    """The picture without its ground, and as loud everywhere."""
    remainder = picture - _blurred(picture, _GROUND)
    remainder /= np.sqrt(np.maximum(_blurred(remainder * remainder, _NEAR), 0)) + 1.5
    return np.clip(remainder, -1.5, 1.5, out=remainder)


def _blurred(picture: Floats, side: int) -> Floats:
    """The mean of the square of ``side`` lines around each point."""
    for axis in (0, 1):
        wide = [(0, 0), (0, 0)]
        wide[axis] = (side // 2 + 1, side // 2)
        sums = np.cumsum(np.pad(picture, wide, mode="edge"), axis=axis, dtype=np.float64)
        first, last = (sums[:-side], sums[side:]) if axis == 0 else (sums[:, :-side], sums[:, side:])
        picture = ((last - first) / side).astype(np.float32)
    return picture


def _spectrum(whole: Floats) -> Spectrum:
    """The tile's spectrum, half-way to its phases alone: loud frequencies of the picture shall not outvote others."""
    height, width = (-(-side // TILE) * TILE for side in whole.shape)
    filled = np.zeros((height, width), np.float32)
    filled[: whole.shape[0], : whole.shape[1]] = whole
    spectrum = np.fft.rfft2(filled.reshape(height // TILE, TILE, width // TILE, TILE).sum(axis=(0, 2)))
    loudness = np.abs(spectrum)
    around = _blurred(loudness.astype(np.float32), 7)
    flat: Spectrum = spectrum / np.sqrt(loudness * around + 1e-9)
    return flat


def _places(spectrum: Spectrum, synchronising: Spectrum) -> Iterable[tuple[float, tuple[int, int]]]:
    """Where the tile may begin, the clearest first."""
    match = np.fft.irfft2(spectrum * synchronising, s=(TILE, TILE))
    match = (match - match.mean()) / (match.std() + 1e-12)
    for _ in range(_PLACES_TRIED):
        row, column = divmod(int(match.argmax()), TILE)
        yield float(match[row, column]), (row, column)
        match[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = -np.inf


def _soft_bits(spectrum: Spectrum, carrier: pattern.Carrier, place: tuple[int, int]) -> code.Soft:
    turned = spectrum * np.exp(2j * np.pi * (_DOWN * place[0] + _ACROSS * place[1]))
    values = np.real(turned.ravel()[carrier.places] * np.conj(carrier.phases))
    told = carrier.bits >= 0
    summed = np.bincount(carrier.bits[told], weights=values[told], minlength=code.CODED_BITS)
    return np.asarray(summed, np.float64)
