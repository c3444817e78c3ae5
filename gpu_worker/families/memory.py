"""What a clip takes of a card: bytes of weights by part, bytes beside them by stage, and where they can be placed.

The one truth about bytes, without torch. The catalogue computes from it before anybody has tried; the engine puts in
what it measured, and computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gpu_worker.contract import ComponentSource, Stage

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
_ENCODER_FRACTION = 0.05
"""Activations of a text encoder as a part of its weights: a few hundred tokens against billions of weights."""
_HISTORY_BYTES_PER_VOXEL = 12
"""Frames of the passes before, while those of the next are put to them."""


# --- weights -------------------------------------------------------------------------------------------------------


def stage_of(component: str) -> Stage:
    """The last stage that needs the weights of ``component``: when it is over, they may leave."""
    if component.startswith(_ENCODERS):
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
    family: Family,
    component_bytes: Mapping[str, int],
    quantisation: str,
    *,
    dtype: str = "bfloat16",
    sources: Mapping[str, ComponentSource] = MappingProxyType({}),
) -> dict[str, int]:
    """Bytes on the card by component, from those at 16 bits a weight."""
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


# --- what is beside the weights ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A clip as far as memory goes."""

    family: Family
    width: int
    height: int
    num_frames: int
    transformer_bytes: int = 0
    """Of the model at 16 bits a weight; it tells a family's checkpoints apart. 0: the largest is taken."""
    mode: str = ""
    """Empty: whichever takes most."""
    call: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def batch(self) -> int:
        """Samples that the transformer computes at once."""
        names = self.family.batched_guidance
        return 2 if names and any(self.call.get(name, 2) > 1 for name in names) else 1

    @property
    def forwards(self) -> int:
        """How often the transformer runs in one step."""
        return 1 + sum(bool(self.call.get(name, 2) > 1) for name in self.family.repeated_guidance)

    @property
    def frames_per_part(self) -> int:
        """Frames that are decoded at once in tiles, where the parts of a clip are decoded one after the other; else 0.
        Between two passes all of them are needed on the card."""
        is_one_pass = self.family.passes(self.num_frames) == 1
        return self.family.build(self.transformer_bytes).vae.frames_per_part if is_one_pass else 0

    @property
    def is_clip_encoded(self) -> bool:
        """Whether the VAE reads a clip of this length before the first step."""
        modes = self.family.modes
        asked = [modes[self.mode]] if self.mode in modes else modes.values()
        return any(mode.encodes_whole_clip for mode in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a figure of activations is about: which weights do which stage of which shape, and how."""

    stage: Stage
    weights: str = ""
    """What tells the weights from others; empty where nothing was measured of them."""
    voxels: int = 0
    """That are computed at once."""
    how: str = ""
    """What else changes the figure: guidance, a given clip, a cache, tiles."""
    expected_bytes: int = 0
    """Before anything was measured."""

    @classmethod
    def of(
        cls,
        stage: Stage,
        shape: Shape,
        *,
        weights: str = "",
        weights_bytes: int = 0,
        is_tiled: bool = False,
        cache: str = "",
    ) -> Workload:
        """The workload of one stage of a clip. Encoding a prompt depends on no shape."""
        if stage is Stage.ENCODING_PROMPT:
            return cls(stage=stage, weights=weights, expected_bytes=int(weights_bytes * _ENCODER_FRACTION))
        build = shape.family.build(shape.transformer_bytes)
        if stage is Stage.DENOISING:
            frames = shape.family.frames_at_once(shape.num_frames)
            expected = shape.batch * build.denoising.size_bytes(shape.pixels, frames)
            if shape.is_clip_encoded:
                expected = max(expected, build.vae.encoding.size_bytes(shape.pixels, shape.num_frames))
            how = ",".join(filter(None, (f"batch {shape.batch}", "clip" * shape.is_clip_encoded, cache)))
            return cls(stage=stage, weights=weights, voxels=shape.pixels * frames, how=how, expected_bytes=expected)
        frames = shape.family.frames_decoded_at_once(shape.num_frames)
        history = _HISTORY_BYTES_PER_VOXEL * shape.pixels * shape.num_frames if frames < shape.num_frames else 0
        if is_tiled and shape.frames_per_part:
            frames = min(frames, shape.frames_per_part)
        figures = build.vae.tiled_decoding if is_tiled else build.vae.decoding
        return cls(
            stage=stage,
            weights=weights,
            voxels=shape.pixels * shape.num_frames,
            how="tiled" if is_tiled else "whole",
            expected_bytes=figures.size_bytes(shape.pixels, frames) + history,
        )


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
    """What a render may take of a card."""
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
        """What the denoisers take of the card at once."""
        if not placement.is_block_swapped:
            return self.denoisers_bytes
        return min(self.denoisers_bytes, max(self.block_swap_bytes, self.denoisers_bytes - placement.swapped_bytes))

    def swapped_bytes_a_forward(self, placement: Placement, largest_bytes: int) -> int:
        """About what comes to the card in each forward of the largest denoiser: nothing where it has the room alone,
        since of several denoisers one at a time is there."""
        on_card_bytes = self.on_card_bytes(placement)
        if on_card_bytes >= largest_bytes:
            return 0
        return min(largest_bytes, largest_bytes - on_card_bytes + self.block_swap_bytes)

    def swapping_least(self, placement: Placement, budget_bytes: int) -> Placement:
        """``placement``, which fits by block swap, with as many blocks staying on the card as there is room for."""
        decoding = self.tiled_decoding if placement.is_decoding_tiled else self.decoding
        beside = max(self.denoising.size_bytes, decoding.size_bytes * self.is_decoded_between)
        room_bytes = budget_bytes - self.decoders_bytes - beside
        return replace(placement, swapped_bytes=max(1, self.denoisers_bytes - room_bytes))

    def peak_bytes(self, placement: Placement, *, is_firm: bool = False) -> int:
        """Most bytes held at once. ``is_firm`` counts activations only where they were measured."""

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
        """Bytes with which it can be made at all, by a row's own placement."""
        return min(self.peak_bytes(placement) for placement in PLACEMENTS[wanted])

    def fit(self, usable_bytes: int, wanted: str = "auto") -> Fit:
        """The best way for which there is room, where main memory can keep whatever leaves."""
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
    """What a clip of ``shape`` needs with components of ``sizes`` bytes.

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
