"""Wan VACE with random weights: Wan's transformer with a branch that reads the control video and its mask."""

from __future__ import annotations

from pathlib import Path

from diffusers import WanVACEPipeline, WanVACETransformer3DModel

from tests.tiny import wan
from tests.tiny.text_encoders import umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    sizes = wan.transformer_sizes(layers=2)
    pipeline = WanVACEPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(),
        vae=wan.vae(),
        scheduler=wan.scheduler(),
        transformer=WanVACETransformer3DModel(**sizes, vace_layers=[0], vace_in_channels=96),
    )
    pipeline.save_pretrained(folder)
    return folder
