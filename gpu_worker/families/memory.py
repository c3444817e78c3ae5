"""What a clip takes of a card: bytes of weights by part, bytes beside them by stage, and where they can be placed.

The one truth about bytes, without torch. The catalogue computes from it before anybody has tried; the engine puts in
what it measured, and computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from gpu_worker.contract import ComponentSource, Stage

if TYPE_CHECKING:
    from gpu_worker.families.family import Family

GIB = 2**30
CARDS_GIB = (16, 24, 32, 48, 80)
RESERVE_FRACTION = 0.05
"""Part of a card that is not ours: the driver's context, and what the allocator cannot use."""

_QUANTISED_NAMES = ("transformer", "text_encoder")
"""What quantisation applies to. VAEs and vocoders are small, and their rounding is visible and audible."""
_LEFT_BY = {"int8": 0.52, "fp8": 0.52, "nf4": 0.29, "gguf": 0.55}
"""What quantisation leaves of 16-bit weights, scales included."""
_BYTES_PER_VOXEL = {Stage.DENOISING: 48, Stage.DECODING: 150}
_TILED_FRACTION = 0.25
"""Part of the decoder's activations that is left when it works in tiles."""
_ENCODER_FRACTION = 0.05
"""Activations of a text encoder as a part of its weights: a few hundred tokens against billions of weights."""
_SWAPPED_FRACTION = 0.08
"""Part of the denoisers that is on the card at once when their blocks are swapped, where nobody counted the blocks."""


# --- weights -------------------------------------------------------------------------------------------------------


def stage_of(component: str) -> Stage:
    """The last stage that needs the weights of ``component``: when it is over, they may leave."""
    if component.startswith("text_encoder"):
        return Stage.ENCODING_PROMPT
    if "vae" in component or "vocoder" in component:
        return Stage.DECODING
    return Stage.DENOISING


def quantisation_of(component: str, wanted: str, source: ComponentSource | None = None) -> str:
    """How the weights of ``component`` are quantised in a row that wants ``wanted`` and takes it from ``source``."""
    source = source or ComponentSource()
    if source.file:
        return "gguf"
    chosen = source.quantisation or wanted
    return chosen if component.startswith(_QUANTISED_NAMES) and chosen != "gguf" else "none"


def weights_bytes(
    component_bytes: Mapping[str, int],
    quantisation: str,
    *,
    dtype: str = "bfloat16",
    sources: Mapping[str, ComponentSource] = MappingProxyType({}),
) -> dict[str, int]:
    """Bytes on the card by component, from those at 16 bits a parameter."""
    plain = 2.0 if dtype == "float32" else 1.0
    kinds = {name: quantisation_of(name, quantisation, sources.get(name)) for name in component_bytes}
    return {name: round(size * _LEFT_BY.get(kinds[name], plain)) for name, size in component_bytes.items()}


# --- what is beside the weights ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A clip as far as memory goes."""

    family: Family
    width: int
    height: int
    num_frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a figure of activations is about: which weights do which stage of which shape, decoding in tiles or not."""

    stage: Stage
    weights: str = ""
    """What tells the weights from others; empty where nothing was measured of them."""
    weights_bytes: int = 0
    voxels: int = 0
    is_tiled: bool = False

    @classmethod
    def of(
        cls, stage: Stage, shape: Shape, *, weights: str = "", weights_bytes: int = 0, is_tiled: bool = False
    ) -> Workload:
        """The workload of one stage of a clip. Encoding a prompt depends on no shape."""
        voxels = 0 if stage is Stage.ENCODING_PROMPT else shape.width * shape.height * shape.num_frames
        return cls(stage=stage, weights=weights, weights_bytes=weights_bytes, voxels=voxels, is_tiled=is_tiled)

    @property
    def expected_bytes(self) -> int:
        """Bytes beside the weights, before anything was measured: generous, so that the first run makes room enough."""
        if self.stage is Stage.ENCODING_PROMPT:
            return int(self.weights_bytes * _ENCODER_FRACTION)
        return int(self.voxels * _BYTES_PER_VOXEL[self.stage] * (_TILED_FRACTION if self.is_tiled else 1))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes beside the weights. Only a measured figure is a reason to refuse."""

    size_bytes: int
    is_measured: bool = False


# --- placement -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is given up to fit, in order of what it costs."""

    is_decoding_tiled: bool = False
    is_streamed: bool = False


_CHEAPEST_FIRST = (
    Placement(),
    Placement(is_decoding_tiled=True),
    Placement(is_streamed=True),
    Placement(is_decoding_tiled=True, is_streamed=True),
)
PLACEMENTS: Mapping[str, tuple[Placement, ...]] = MappingProxyType(
    {
        "auto": _CHEAPEST_FIRST,
        "resident": _CHEAPEST_FIRST[:2],
        "tiled": (_CHEAPEST_FIRST[1], _CHEAPEST_FIRST[3]),
        "streamed": _CHEAPEST_FIRST[2:],
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
    """What a render may take of a card."""
    return int(card_bytes * (1 - RESERVE_FRACTION))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeeds:
    """Bytes of a render by part of the model and stage."""

    encoders_bytes: int
    denoisers_bytes: int
    streamed_bytes: int
    """What block swap keeps of the denoisers on the card at once."""
    decoders_bytes: int
    encoding: Estimate
    denoising: Estimate
    decoding: Estimate
    tiled_decoding: Estimate
    is_decoded_between: bool = False
    """Whether the denoisers are needed again after decoding, as in clips made of several passes."""

    @property
    def together_bytes(self) -> int:
        """Bytes with which nothing ever has to leave."""
        highest = max(e.size_bytes for e in (self.encoding, self.denoising, self.decoding))
        return self.encoders_bytes + self.denoisers_bytes + self.decoders_bytes + highest

    def peak_bytes(self, placement: Placement, *, is_firm: bool = False) -> int:
        """Most bytes held at once. ``is_firm`` counts activations only where they were measured."""

        def beside(estimate: Estimate) -> int:
            return estimate.size_bytes if estimate.is_measured or not is_firm else 0

        denoisers_bytes = self.streamed_bytes if placement.is_streamed else self.denoisers_bytes
        decoding = self.tiled_decoding if placement.is_decoding_tiled else self.decoding
        return max(
            self.encoders_bytes + beside(self.encoding),
            denoisers_bytes + self.decoders_bytes + beside(self.denoising),
            denoisers_bytes * self.is_decoded_between + self.decoders_bytes + beside(decoding),
        )

    def least_bytes(self, wanted: str = "auto") -> int:
        """Bytes with which it can be made at all, by a row's own placement."""
        return min(self.peak_bytes(placement) for placement in PLACEMENTS[wanted])

    def fit(self, usable_bytes: int, wanted: str = "auto") -> Fit:
        """The best way for which there is room, where main memory can keep whatever leaves."""
        if self.together_bytes <= usable_bytes and Placement() in PLACEMENTS[wanted]:
            return Fit.RESIDENT
        for placement in PLACEMENTS[wanted]:
            if self.peak_bytes(placement) <= usable_bytes:
                return Fit.BLOCK_SWAP if placement.is_streamed else Fit.ENCODER_LEAVES
        return Fit.NO


def memory_needs(
    sizes: Mapping[str, int],
    shape: Shape,
    *,
    weights: Mapping[Stage, str] = MappingProxyType({}),
    estimate: Callable[[Workload], Estimate] = lambda workload: Estimate(workload.expected_bytes),
    streamed_bytes: Callable[[str, int], int] = lambda component, size: int(size * _SWAPPED_FRACTION),
) -> MemoryNeeds:
    """What a clip of ``shape`` needs with components of ``sizes`` bytes.

    ``weights`` names the weights of each stage for ``estimate``, which may have measured them; ``streamed_bytes`` says
    what block swap keeps of a component on the card.
    """
    by_stage = {stage: {n: s for n, s in sizes.items() if stage_of(n) is stage} for stage in Stage}

    def estimated(stage: Stage, *, is_tiled: bool = False) -> Estimate:
        total = sum(by_stage[stage].values())
        return estimate(
            Workload.of(stage, shape, weights=weights.get(stage, ""), weights_bytes=total, is_tiled=is_tiled)
        )

    return MemoryNeeds(
        encoders_bytes=sum(by_stage[Stage.ENCODING_PROMPT].values()),
        denoisers_bytes=sum(by_stage[Stage.DENOISING].values()),
        streamed_bytes=sum(streamed_bytes(name, size) for name, size in by_stage[Stage.DENOISING].items()),
        decoders_bytes=sum(by_stage[Stage.DECODING].values()),
        encoding=estimated(Stage.ENCODING_PROMPT),
        denoising=estimated(Stage.DENOISING),
        decoding=estimated(Stage.DECODING),
        tiled_decoding=estimated(Stage.DECODING, is_tiled=True),
        is_decoded_between=shape.family.passes(shape.num_frames) > 1,
    )
