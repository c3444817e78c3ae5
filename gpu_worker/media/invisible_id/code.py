"""The label's bits: an id and its checksum under a convolutional code, read back softly by Viterbi's algorithm.

The code is the standard one of rate 1/3 and constraint length 7 (generators 133, 171, 165 octal).
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

Soft = npt.NDArray[np.floating]

MOST_ID: Final = 2**32 - 1
_ID_BYTES, _CHECKSUM_BYTES = 4, 3
_DATA_BITS: Final = 8 * (_ID_BYTES + _CHECKSUM_BYTES)
_MEMORY: Final = 6
_GENERATORS: Final = (0o133, 0o171, 0o165)
_STEPS: Final = _DATA_BITS + _MEMORY
CODED_BITS: Final = _STEPS * len(_GENERATORS)
_STATES: Final = 1 << _MEMORY
_MOST_SOFT: Final = 3.0
"""A single bit, however sure of itself, counts no more than this many average ones."""

_ORDER: Final = np.random.Generator(np.random.PCG64(99)).permutation(CODED_BITS)
"""Where each coded bit stands, so that neighbours in the code are none in the picture."""
_SENT: Final = np.array(
    [
        [[((bit << _MEMORY | state) & generator).bit_count() & 1 for generator in _GENERATORS] for bit in (0, 1)]
        for state in range(_STATES)
    ]
)
"""The three bits sent by state (the last six bits, the newest highest) and next bit."""
_NEXT: Final = np.arange(_STATES)
_BIT: Final = _NEXT >> (_MEMORY - 1)
_FROM: Final = np.stack([(_NEXT << 1) & (_STATES - 1), (_NEXT << 1) & (_STATES - 1) | 1])
_SIGNS: Final = np.stack([2.0 * _SENT[origin, _BIT] - 1 for origin in _FROM])
"""What would have been sent on each of the two ways into a state: ``(2, states, 3)``."""


def encode(label_id: int) -> npt.NDArray[np.uint8]:
    """The ``CODED_BITS`` bits of an id of 32 bits.

    Raises:
        OverflowError: it is none.
    """
    data = label_id.to_bytes(_ID_BYTES, "big")
    bits = np.unpackbits(np.frombuffer(data + _checksum(data), np.uint8)).tolist() + [0] * _MEMORY
    state, sent = 0, []
    for bit in bits:
        sent.append(_SENT[state, bit])
        state = bit << (_MEMORY - 1) | state >> 1
    placed = np.empty(CODED_BITS, np.uint8)
    placed[_ORDER] = np.concatenate(sent)
    return placed


def decode(soft: Soft) -> int | None:
    """The id of which ``CODED_BITS`` soft bits, above nought for a one, tell; None when the checksum is wrong."""
    scale = np.abs(soft).mean()
    if not scale > 0:
        return None
    bits = _likeliest(np.clip(soft / scale, -_MOST_SOFT, _MOST_SOFT)[_ORDER].reshape(_STEPS, -1))
    data = np.packbits(bits[:_DATA_BITS]).tobytes()
    return int.from_bytes(data[:_ID_BYTES], "big") if _checksum(data[:_ID_BYTES]) == data[_ID_BYTES:] else None


def _likeliest(received: Soft) -> npt.NDArray[np.uint8]:
    """The bits of the likeliest way through the states, which begins and ends in state 0."""
    score = np.full(_STATES, -np.inf)
    score[0] = 0
    came = np.empty((_STEPS, _STATES), np.intp)
    for step, three in enumerate(received):
        scores = score[_FROM] + _SIGNS @ three
        way = scores.argmax(axis=0)
        came[step] = _FROM[way, _NEXT]
        score = scores[way, _NEXT]
    state, bits = 0, np.empty(_STEPS, np.uint8)
    for step in range(_STEPS - 1, -1, -1):
        bits[step] = _BIT[state]
        state = came[step, state]
    return bits


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")[-_CHECKSUM_BYTES:]
