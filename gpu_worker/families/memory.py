"""What a clip takes of a card: bytes of weights by part, activations beside them, and how they can be placed.

The one truth about bytes, without torch. The catalogue computes from it before anybody has tried; the engine puts in
what it measured, and computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from gpu_worker.contract import ComponentSource, Stage
from gpu_worker.families.activations import Estimate, Shape, Workload

if TYPE_CHECKING:
    from gpu_worker.families.family import Family

GIB = 2**30
CARDS_GIB = (16, 24, 32, 48, 80)
RESERVE_FRACTION = 0.05
"""Part of a card that is not ours: the driver's context, and what the allocator cannot use."""

_ENCODERS = ("text_encoder", "image_encoder", "connectors")
"""What is asked before the first step, one of these kinds at a time, and not again."""
_QUANTISED_NAMES = ("transformer", "text_encoder")
"""What quantisation applies to. VAEs and vocoders are small, and their rounding is visible and audible."""
BYTES_PER_WEIGHT = {"int8": 1.0, "fp8": 1.0, "nf4": 0.5625, "gguf": 1.0625}
"""Of a weight that is quantised. NF4 has four bytes of scale for each 64, GGUF's Q8_0 two for each 32."""


# --- weights -------------------------------------------------------------------------------------------------------


def stage_of(component: str) -> Stage:
    """Return the last stage that needs the weights of ``component``: when it is over, they may leave."""
    if component.startswith(_ENCODERS):
        return Stage.ENCODING_PROMPT
    if "vae" in component or "vocoder" in component:
        return Stage.DECODING
    return Stage.DENOISING


def quantisation_of(component: str, wanted: str, source: ComponentSource | None = None) -> str:
    """Return how a row that wants ``wanted`` quantises ``component``, whose weights come from ``source``."""
    source = source or ComponentSource()
    if source.file:
        return "gguf"
    chosen = source.quantisation or wanted
    return chosen if component.startswith(_QUANTISED_NAMES) and chosen != "gguf" else "none"


def weights_bytes(
    family: Family,
    component_bytes: Mapping[str, int],
    quantisation: str,
    *,
    dtype: str = "bfloat16",
    sources: Mapping[str, ComponentSource] = MappingProxyType({}),
) -> dict[str, int]:
    """Return the bytes on the card by component, from those at 16 bits a weight."""
    build = family.build(component_bytes.get("transformer", 0))
    plain = 2.0 if dtype == "float32" else 1.0

    def left(name: str) -> float:
        kind = quantisation_of(name, quantisation, sources.get(name))
        if kind == "none":
            return plain
        is_text = name.startswith("text_encoder")
        quantised = family.quantised_text_fraction if is_text else build.quantised_fraction
        return quantised * BYTES_PER_WEIGHT[kind] / 2 + (1 - quantised) * plain

    return {name: round(size * left(name)) for name, size in component_bytes.items()}


# --- placement -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is given up to fit, in order of what it costs."""

    is_decoding_tiled: bool = False
    swapped_bytes: int = 0
    """How much of the denoisers comes to the card block by block, in every step; all that can with ``ALL_BYTES``."""

    @property
    def is_block_swapped(self) -> bool:
        return self.swapped_bytes > 0


ALL_BYTES = 2**63 - 1
_CHEAPEST_FIRST = (
    Placement(),
    Placement(is_decoding_tiled=True),
    Placement(swapped_bytes=ALL_BYTES),
    Placement(is_decoding_tiled=True, swapped_bytes=ALL_BYTES),
)
PLACEMENTS: Mapping[str, tuple[Placement, ...]] = MappingProxyType(
    {
        "auto": _CHEAPEST_FIRST,
        "resident": _CHEAPEST_FIRST[:2],
        "tiled": (_CHEAPEST_FIRST[1], _CHEAPEST_FIRST[3]),
        "block_swap": _CHEAPEST_FIRST[2:],
    }
)
"""The placements that a catalogue row allows by its ``placement``, the cheapest first."""


class Fit(StrEnum):
    """How a model runs on a card, in people's words, the best way first."""

    RESIDENT = "resident"
    ENCODER_LEAVES = "encoder leaves"
    """The encoders go to main memory when they have done their work, and the decoder may work in tiles."""
    BLOCK_SWAP = "block swap"
    """The blocks of the transformer come and go while it computes: slower, but it runs. An encoder has to fit whole."""
    NO = "no"


def usable_bytes(card_bytes: int) -> int:
    """Return what a render may take of a card."""
    return int(card_bytes * (1 - RESERVE_FRACTION))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeeds:
    """Bytes of a render by part of the model and stage."""

    encoders_bytes: int
    """Of the largest kind: text, pictures, connectors are encoded one after the other."""
    denoisers_bytes: int
    block_swap_bytes: int
    """What block swap keeps of the denoisers on the card at the least: of several, one at a time is there."""
    decoders_bytes: int
    encoding: Estimate
    denoising: Estimate
    decoding: Estimate
    tiled_decoding: Estimate
    other_encoders_bytes: int = 0
    """Of the kinds that are not held together with the largest."""
    is_decoded_between: bool = False
    """Whether the denoisers are needed again after decoding, as in clips made of several passes."""

    @property
    def together_bytes(self) -> int:
        """Bytes with which nothing ever has to leave."""
        highest = max(e.size_bytes for e in (self.encoding, self.denoising, self.decoding))
        encoders_bytes = self.encoders_bytes + self.other_encoders_bytes
        return encoders_bytes + self.denoisers_bytes + self.decoders_bytes + highest

    def on_card_bytes(self, placement: Placement) -> int:
        """Return what the denoisers take of the card at once."""
        if not placement.is_block_swapped:
            return self.denoisers_bytes
        return min(self.denoisers_bytes, max(self.block_swap_bytes, self.denoisers_bytes - placement.swapped_bytes))

    def swapped_bytes_a_forward(self, placement: Placement, largest_bytes: int) -> int:
        """Return about how many bytes come to the card in each forward of the largest denoiser: none where there is
        room for it alone, since of several denoisers one at a time is there."""
        on_card_bytes = self.on_card_bytes(placement)
        if on_card_bytes >= largest_bytes:
            return 0
        return min(largest_bytes, largest_bytes - on_card_bytes + self.block_swap_bytes)

    def swapping_least(self, placement: Placement, budget_bytes: int) -> Placement:
        """Return ``placement``, which fits by block swap, with as many blocks left on the card as fit."""
        decoding = self.tiled_decoding if placement.is_decoding_tiled else self.decoding
        beside = max(self.denoising.size_bytes, decoding.size_bytes * self.is_decoded_between)
        room_bytes = budget_bytes - self.decoders_bytes - beside
        return replace(placement, swapped_bytes=max(1, self.denoisers_bytes - room_bytes))

    def peak_bytes(self, placement: Placement, *, is_firm: bool = False) -> int:
        """Return the most bytes held at once. ``is_firm`` counts activations only where they were measured."""

        def beside(estimate: Estimate) -> int:
            return estimate.size_bytes if estimate.is_measured or not is_firm else 0

        denoisers_bytes = self.on_card_bytes(placement)
        decoding = self.tiled_decoding if placement.is_decoding_tiled else self.decoding
        return max(
            self.encoders_bytes + beside(self.encoding),
            denoisers_bytes + self.decoders_bytes + beside(self.denoising),
            denoisers_bytes * self.is_decoded_between + self.decoders_bytes + beside(decoding),
        )

    def least_bytes(self, wanted: str = "auto") -> int:
        """Return the bytes with which it can be made at all, by a row's own placement."""
        return min(self.peak_bytes(placement) for placement in PLACEMENTS[wanted])

    def fit(self, usable_bytes: int, wanted: str = "auto") -> Fit:
        """Return the best way for which there is room, where main memory can keep whatever leaves."""
        if self.together_bytes <= usable_bytes and Placement() in PLACEMENTS[wanted]:
            return Fit.RESIDENT
        for placement in PLACEMENTS[wanted]:
            if self.peak_bytes(placement) <= usable_bytes:
                return Fit.BLOCK_SWAP if placement.is_block_swapped else Fit.ENCODER_LEAVES
        return Fit.NO


def memory_needs(
    sizes: Mapping[str, int],
    shape: Shape,
    *,
    weights: Mapping[Stage, str] = MappingProxyType({}),
    estimate: Callable[[Workload], Estimate] = lambda workload: Estimate(workload.expected_bytes),
    block_swap_bytes: Callable[[str, int], int] | None = None,
    cache: str = "",
) -> MemoryNeeds:
    """Return what a clip of ``shape`` needs with components of ``sizes`` bytes.

    ``weights`` names the weights of each stage for ``estimate``, which may have measured them; ``block_swap_bytes``
    says what block swap keeps of a component on the card at the least, where its blocks were counted. ``cache`` names
    what skips steps.
    """
    swapped_fraction = shape.family.build(shape.transformer_bytes).swapped_fraction
    swapped = block_swap_bytes or (lambda name, size: int(size * swapped_fraction))
    by_stage = {stage: {n: s for n, s in sizes.items() if stage_of(n) is stage} for stage in Stage}

    def estimated(stage: Stage, *, is_tiled: bool = False) -> Estimate:
        total = sum(by_stage[stage].values())
        own = weights.get(stage, "")
        return estimate(Workload.of(stage, shape, weights=own, weights_bytes=total, is_tiled=is_tiled, cache=cache))

    encoders = by_stage[Stage.ENCODING_PROMPT]
    kinds = [sum(size for name, size in encoders.items() if name.startswith(kind)) for kind in _ENCODERS]
    return MemoryNeeds(
        encoders_bytes=max(kinds, default=0),
        other_encoders_bytes=sum(kinds) - max(kinds, default=0),
        denoisers_bytes=sum(by_stage[Stage.DENOISING].values()),
        block_swap_bytes=max((swapped(n, s) for n, s in by_stage[Stage.DENOISING].items()), default=0),
        decoders_bytes=sum(by_stage[Stage.DECODING].values()),
        encoding=estimated(Stage.ENCODING_PROMPT),
        denoising=estimated(Stage.DENOISING),
        decoding=estimated(Stage.DECODING),
        tiled_decoding=estimated(Stage.DECODING, is_tiled=True),
        is_decoded_between=shape.family.passes(shape.num_frames) > 1,
    )
