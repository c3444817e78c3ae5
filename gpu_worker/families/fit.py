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
DENOISING_BYTES_PER_VOXEL = 48
DECODING_BYTES_PER_VOXEL = 150
TILED = 0.25
"""Part of the decoder's activations that is left when it works in tiles."""
LARGEST_BLOCK = 0.08
"""Part of a component that has to be on the card at once when its blocks are swapped, the next one included."""

_ENCODERS = ("text_encoder", "image_encoder")
_QUANTISED = ("transformer", "text_encoder")
_LEFT_BY = {"int8": 0.52, "fp8": 0.52, "nf4": 0.29, "gguf": 0.55}
"""What quantisation leaves of 16-bit weights, scales included."""


class Fit(StrEnum):
    """How a model runs on a card, the best way first."""

    RESIDENT = "resident"
    ENCODER_LEAVES = "encoder leaves"
    """The text encoder goes to main memory when it has done its work, and the decoder works in tiles."""
    BLOCK_SWAP = "block swap"
    """The blocks of the transformer come and go while it computes: slower, but it runs."""
    NO = "no"


def bytes_on_card(component_bytes: Mapping[str, int], quantisation: str, dtype: str = "bfloat16") -> dict[str, int]:
    """Bytes on the card by component, from those at 16 bits a parameter. VAEs and vocoders are not quantised."""
    plain = 2.0 if dtype == "float32" else 1.0
    left = plain if quantisation == "none" else _LEFT_BY[quantisation]
    quantised = "transformer" if quantisation == "gguf" else _QUANTISED  # a GGUF file holds a transformer
    return {
        name: round(size * (left if name.startswith(quantised) else plain)) for name, size in component_bytes.items()
    }


def fit(
    component_bytes: Mapping[str, int],
    quantisation: str,
    card_bytes: int,
    *,
    width: int,
    height: int,
    num_frames: int,
    dtype: str = "bfloat16",
) -> Fit | None:
    """The best way in which a clip of this size is made on the card, or None when the model's bytes are unknown."""
    if not component_bytes:
        return None
    sizes = bytes_on_card(component_bytes, quantisation, dtype)
    encoders = [size for name, size in sizes.items() if name.startswith(_ENCODERS)]
    transformers = [size for name, size in sizes.items() if name.startswith("transformer")]
    others = sum(sizes.values()) - sum(encoders) - sum(transformers)
    voxels = width * height * num_frames
    denoising = DENOISING_BYTES_PER_VOXEL * voxels
    decoding = DECODING_BYTES_PER_VOXEL * voxels
    room = int(card_bytes * USABLE)
    if sum(sizes.values()) + max(denoising, decoding) <= room:
        return Fit.RESIDENT
    activations = max(denoising, int(decoding * TILED))
    if max(sum(encoders), sum(transformers) + others + activations) <= room:
        return Fit.ENCODER_LEAVES
    swapped = LARGEST_BLOCK * max([*encoders, *transformers], default=0)
    if others + swapped + activations <= room:
        return Fit.BLOCK_SWAP
    return Fit.NO


def measured_fit(peak_bytes: int, card_bytes: int) -> Fit | None:
    """RESIDENT when a render's measured peak fits; None when only a new measurement could tell."""
    return Fit.RESIDENT if peak_bytes <= card_bytes * USABLE else None
