"""Whether a model fits on a card, before anybody has tried: from the bytes of its weights and the size of a clip.

Pure arithmetic for both sides: the catalogue shows it, and whoever hands out jobs may ask it. What a render really took
(``peak_bytes``) replaces the estimate as soon as there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """The blocks of the transformer come and go while it computes: slower, but it runs. An encoder has to fit whole."""
    NO = "no"


def bytes_on_card(component_bytes: Mapping[str, int], quantisation: str, dtype: str = "bfloat16") -> dict[str, int]:
    """Bytes on the card by component, from those at 16 bits a parameter. VAEs and vocoders are not quantised."""
    plain = 2.0 if dtype == "float32" else 1.0
    left = plain if quantisation == "none" else _LEFT_BY[quantisation]
    quantised = "transformer" if quantisation == "gguf" else _QUANTISED  # a GGUF file holds a transformer
    return {
        name: round(size * (left if name.startswith(quantised) else plain)) for name, size in component_bytes.items()
    }


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that one clip of a model takes on a card, from the quickest way of making it to the most frugal."""

    resident_bytes: int
    encoder_leaves_bytes: int
    block_swap_bytes: int

    def on(self, usable_bytes: int) -> Fit:
        """The best way for which there is room."""
        if self.resident_bytes <= usable_bytes:
            return Fit.RESIDENT
        if self.encoder_leaves_bytes <= usable_bytes:
            return Fit.ENCODER_LEAVES
        return Fit.BLOCK_SWAP if self.block_swap_bytes <= usable_bytes else Fit.NO

    def least_bytes(self, placement: str = "auto") -> int:
        """The least with which it can be made at all, by a row's own placement."""
        least = {"resident": self.encoder_leaves_bytes, "streamed": self.block_swap_bytes}
        return least.get(placement, min(self.encoder_leaves_bytes, self.block_swap_bytes))


def needs(
    component_bytes: Mapping[str, int],
    quantisation: str,
    *,
    width: int,
    height: int,
    num_frames: int,
    dtype: str = "bfloat16",
) -> Needs | None:
    """What a clip of this size takes, or None when the model's bytes are unknown."""
    if not component_bytes:
        return None
    sizes = bytes_on_card(component_bytes, quantisation, dtype)
    encoders = sum(size for name, size in sizes.items() if name.startswith(_ENCODERS))
    transformers = [size for name, size in sizes.items() if name.startswith("transformer")]
    others = sum(sizes.values()) - encoders - sum(transformers)
    voxels = width * height * num_frames
    denoising = DENOISING_BYTES_PER_VOXEL * voxels
    decoding = DECODING_BYTES_PER_VOXEL * voxels
    activations = max(denoising, int(decoding * TILED))
    swapped = int(LARGEST_BLOCK * max(transformers, default=0))
    return Needs(
        resident_bytes=sum(sizes.values()) + max(denoising, decoding),
        encoder_leaves_bytes=max(encoders, sum(transformers) + others + activations),
        block_swap_bytes=max(encoders, others + swapped + activations),
    )


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
    taken = needs(component_bytes, quantisation, width=width, height=height, num_frames=num_frames, dtype=dtype)
    return taken.on(int(card_bytes * USABLE)) if taken is not None else None


def measured_fit(peak_bytes: int, card_bytes: int) -> Fit | None:
    """RESIDENT when a render's measured peak fits; None when only a new measurement could tell."""
    return Fit.RESIDENT if peak_bytes <= card_bytes * USABLE else None
