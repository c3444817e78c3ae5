"""Wan 2.2 TI2V-5B: its own VAE, coarser by two, and one checkpoint for text and image.

A family of its own because of the size rule: Wan's pipelines check for multiples of 16 and then round down to 32.
"""

from __future__ import annotations

from dataclasses import replace

from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family
from gpu_worker.families.wan import FRAMES, IMAGE, TEXT

VAE = VaeActivations(
    decoding=Activations(per_voxel=6.3, per_pixel=10_720),
    tiled_decoding=Activations(per_voxel=8.5, per_pixel=2_400),
    encoding=Activations(per_voxel=1, per_pixel=8_000),
)

FAMILY = Family(
    name="wan_ti2v",
    title="Wan 2.2 TI2V",
    modes={"text": TEXT, "image": replace(IMAGE, encodes_whole_clip=False)},
    sharing="sequence",
    size_multiple=32,
    sizes=("1280x704", "704x1280"),
    frames=FRAMES,
    fps=24,
    components=("text_encoder", "transformer", "vae"),
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.815,
    builds=(
        Build(
            transformer_bytes=10_000_000_000,
            quantised_fraction=0.982,
            swapped_fraction=0.084,
            denoising=Activations(per_voxel=48.8, per_pixel=145),
            vae=VAE,
        ),
    ),
    fuses_qkv=True,
    shared={"text_encoder": "UMT5-XXL"},
    call=(
        "guidance_scale",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 25, "guidance_scale": 5.0},
        "standard": {"steps": 40, "guidance_scale": 5.0},
        "final": {"steps": 50, "guidance_scale": 5.0},
    },
)
