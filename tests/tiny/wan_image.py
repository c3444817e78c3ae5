"""Wan 2.2 I2V-A14B with random weights: two experts, the picture in 20 more channels, no picture encoder."""

from __future__ import annotations

from pathlib import Path

from diffusers import WanImageToVideoPipeline, WanTransformer3DModel

from tests.tiny import wan
from tests.tiny.text_encoders import umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    pipeline = WanImageToVideoPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(),
        vae=wan.vae(),
        scheduler=wan.scheduler(),
        transformer=WanTransformer3DModel(**wan.transformer_sizes(seed=0, in_channels=36)),
        transformer_2=WanTransformer3DModel(**wan.transformer_sizes(seed=1, in_channels=36)),
        boundary_ratio=0.9,
        image_encoder=None,
        image_processor=None,
    )
    pipeline.save_pretrained(folder)
    return folder
