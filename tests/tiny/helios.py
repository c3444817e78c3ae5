"""Helios with random weights: Wan's VAE and text encoder, and a transformer that reads three spans of the past."""

from __future__ import annotations

from pathlib import Path

from diffusers import HeliosPipeline, HeliosScheduler, HeliosTransformer3DModel

from tests.tiny import wan
from tests.tiny.text_encoders import umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    sizes = {name: value for name, value in wan.transformer_sizes().items() if name != "rope_max_seq_len"}
    transformer = HeliosTransformer3DModel(**sizes, rope_dim=(8, 4, 4))  # the parts of a head of 16
    pipeline = HeliosPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(),
        vae=wan.vae(),
        scheduler=HeliosScheduler(stages=1, stage_range=[0, 1]),
        transformer=transformer,
    )
    pipeline.save_pretrained(folder)
    return folder
