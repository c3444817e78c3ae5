"""What the checkpoints of a family take beside their weights, as counted at full size: the form of the figures.

The figures stand with each family. ``python -m tests.full_size`` counts them anew from diffusers' own classes, and a
test holds them to it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Bytes beside the weights: of each voxel, of each pixel of a frame however many frames there are, and, where every
    part of the clip is compared with every other by a mask, of each pair of voxels."""

    per_voxel: float = 0.0
    per_pixel: float = 0.0
    per_pair: float = 0.0

    def size_bytes(self, pixels: int, num_frames: int) -> int:
        voxels = pixels * num_frames
        return int(voxels * self.per_voxel + pixels * self.per_pixel + voxels**2 * self.per_pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeActivations:
    """What a VAE takes beside its weights."""

    decoding: Activations
    tiled_decoding: Activations
    frames_per_part: int = 0
    """Frames of the clip that are decoded at once in tiles, where time can be cut too; 0: all."""
    encoding: Activations
    """While it reads a given clip, whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What one size of a family's checkpoints takes, as ``python -m tests.full_size`` counts it."""

    transformer_bytes: int
    """At 16 bits a weight: what tells the sizes apart."""
    quantised_fraction: float
    """Part of the transformer that quantisation applies to."""
    swapped_fraction: float
    """Part of the transformer that is on the card while its blocks are swapped: two blocks, and what is in none."""
    denoising: Activations
    """Of one forward of one sample."""
    vae: VaeActivations


UNTRACED = Build(
    transformer_bytes=0,
    quantised_fraction=0.95,
    swapped_fraction=0.1,
    denoising=Activations(per_voxel=120),
    vae=VaeActivations(
        decoding=Activations(per_voxel=300),
        tiled_decoding=Activations(per_voxel=75),
        encoding=Activations(per_voxel=100),
    ),
)
"""For a family of which nothing was counted: generous for most models that we know."""
