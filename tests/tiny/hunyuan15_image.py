"""HunyuanVideo-1.5 I2V with random weights."""

from __future__ import annotations

from pathlib import Path

from diffusers import HunyuanVideo15ImageToVideoPipeline

from tests.tiny import hunyuan15
from tests.tiny.siglip import siglip


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    image_encoder, feature_extractor = siglip()
    pipeline = HunyuanVideo15ImageToVideoPipeline(
        image_encoder=image_encoder, feature_extractor=feature_extractor, **hunyuan15.parts(task_type="i2v")
    )
    pipeline.save_pretrained(folder)
    return folder
