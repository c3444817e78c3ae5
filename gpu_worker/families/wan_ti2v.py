"""Wan 2.2 TI2V-5B: its own VAE, coarser by two, and one checkpoint for text and image.

A family of its own because of the size rule: Wan's pipelines check for multiples of 16 and then round down to 32.
"""

from __future__ import annotations

from gpu_worker.families.family import Family
from gpu_worker.families.wan import FRAMES, IMAGE, TEXT

FAMILY = Family(
    name="wan_ti2v",
    title="Wan 2.2 TI2V",
    modes={"text": TEXT, "image": IMAGE},
    size_multiple=32,
    frames=FRAMES,
    fps=24,
    components=("text_encoder", "transformer", "vae"),
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
