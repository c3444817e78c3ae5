"""A picture encoder of one layer, with the preprocessing that goes with it."""

from __future__ import annotations

import torch
from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

from tests.tiny.text_encoders import WIDTH

SIDE = 28


def siglip() -> tuple[SiglipVisionModel, SiglipImageProcessor]:
    torch.manual_seed(0)
    config = SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=14,
    )
    return SiglipVisionModel(config).eval(), SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
