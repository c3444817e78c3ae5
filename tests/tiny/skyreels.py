"""SkyReels-V2 with random weights: Wan's VAE and text encoder, and a transformer with a noise level to each frame."""

from __future__ import annotations

from pathlib import Path

from diffusers import (
    SkyReelsV2DiffusionForcingPipeline,
    SkyReelsV2Transformer3DModel,
)

from tests.tiny import wan
from tests.tiny.text_encoders import umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    sizes = wan.transformer_sizes()
    pipeline = SkyReelsV2DiffusionForcingPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(),
        vae=wan.vae(),
        scheduler=wan.scheduler(),
        transformer=SkyReelsV2Transformer3DModel(**sizes, inject_sample_info=True),
    )
    pipeline.save_pretrained(folder)
    return folder
