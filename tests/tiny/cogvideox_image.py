"""CogVideoX with room for the latents of a picture, or of a control video, beside its own."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import CogVideoXImageToVideoPipeline, CogVideoXPipeline, CogVideoXTransformer3DModel

from tests.tiny import cogvideox


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    plain = CogVideoXPipeline.from_pretrained(cogvideox.build(folder))
    sizes = {name: value for name, value in plain.transformer.config.items() if not name.startswith("_")}
    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(**sizes | {"in_channels": 2 * sizes["in_channels"]})
    CogVideoXImageToVideoPipeline(**plain.components | {"transformer": transformer}).save_pretrained(folder)
    return folder
