"""What a clip takes of a card beside the weights: the activations of each stage, by its shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpu_worker.contract import Stage

if TYPE_CHECKING:
    from gpu_worker.families.family import Family

_ENCODER_FRACTION = 0.05
"""Activations of a text encoder as a part of its weights: a few hundred tokens against billions of weights."""
_HISTORY_BYTES_PER_VOXEL = 12
"""Frames of the passes before, while those of the next are put to them."""


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
        """Return the workload of one stage of a clip. Encoding a prompt depends on no shape."""
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
