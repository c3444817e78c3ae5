"""Whether a model fits on a card, before anybody has tried: from the bytes of its weights and the size of a clip.

Pure arithmetic for both sides: the catalogue shows it, and whoever hands out jobs may ask it. What a render really took
(``peak_bytes``) replaces the estimate as soon as there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

GIB = 2**30
CARDS_GIB = (16, 24, 32, 48, 80)

USABLE = 0.94
"""Part of a card that is ours: the rest is the driver's context and fragments."""
FIXED_HEADROOM_BYTES = 3 * GIB // 2
HEADROOM_BYTES_PER_PIXEL = 120
"""Activations of the VAE's decoder, the widest moment of a render, for each pixel of each frame, without tiling."""
LARGEST_BLOCK = 0.08
"""Part of a transformer that has to be on the card at once when its blocks are swapped, the next one included."""

_QUANTISED = ("transformer", "text_encoder")
_LEFT_BY = {"none": 1.0, "int8": 0.52, "fp8": 0.52, "nf4": 0.29, "gguf": 0.55}
"""What quantisation leaves of 16-bit weights, scales included."""


class Fit(StrEnum):
    """How a model runs on a card, the best way first."""

    RESIDENT = "resident"
    ENCODER_LEAVES = "encoder leaves"
    """Resident once the text encoder has done its work and gone to main memory."""
    BLOCK_SWAP = "block swap"
    """The transformer's blocks come and go while it computes: slower, but it runs."""
    NO = "no"


def quantised_bytes(component_bytes: Mapping[str, int], quantisation: str) -> dict[str, int]:
    """Bytes on the card by component. VAEs and vocoders are left as they are."""
    left = _LEFT_BY[quantisation]
    return {name: round(size * left) if name.startswith(_QUANTISED) else size for name, size in component_bytes.items()}


def headroom_bytes(width: int, height: int, num_frames: int) -> int:
    """What a clip of this size needs beside the weights."""
    return FIXED_HEADROOM_BYTES + HEADROOM_BYTES_PER_PIXEL * width * height * num_frames


def fit(component_bytes: Mapping[str, int], quantisation: str, card_bytes: int, *, headroom: int) -> Fit | None:
    """The best way in which the model runs on a card, or None when nobody has said how large it is."""
    if not component_bytes:
        return None
    sizes = quantised_bytes(component_bytes, quantisation)
    room = int(card_bytes * USABLE) - headroom
    encoders = {name: size for name, size in sizes.items() if name.startswith(("text_encoder", "image_encoder"))}
    rest = sum(sizes.values()) - sum(encoders.values())
    if sum(sizes.values()) <= room:
        return Fit.RESIDENT
    # The encoders work before there are any frames, so they have the card to themselves.
    if max(rest, sum(encoders.values()) - headroom) <= room:
        return Fit.ENCODER_LEAVES
    transformers = [size for name, size in sizes.items() if name.startswith("transformer")]
    others = rest - sum(transformers)
    largest_encoder = max(encoders.values(), default=0)
    swapped = others + round(LARGEST_BLOCK * max(transformers, default=0))
    if max(swapped, round(LARGEST_BLOCK * largest_encoder)) <= room:
        return Fit.BLOCK_SWAP
    return Fit.NO


def measured_fit(peak_bytes: int, card_bytes: int) -> Fit | None:
    """RESIDENT when a render's measured peak fits; None when only a new measurement could tell."""
    return Fit.RESIDENT if peak_bytes <= card_bytes * USABLE else None
