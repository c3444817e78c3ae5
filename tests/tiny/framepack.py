"""FramePack with random weights: HunyuanVideo's parts, a transformer that reads what came before, a picture encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import HunyuanVideoFramepackPipeline, HunyuanVideoFramepackTransformer3DModel

from tests.tiny import hunyuan
from tests.tiny.siglip import siglip
from tests.tiny.text_encoders import WIDTH


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    torch.manual_seed(0)
    transformer = HunyuanVideoFramepackTransformer3DModel(
        **hunyuan.TRANSFORMER, has_image_proj=True, image_proj_dim=WIDTH, has_clean_x_embedder=True
    )
    image_encoder, feature_extractor = siglip()
    pipeline = HunyuanVideoFramepackPipeline(
        transformer=transformer, image_encoder=image_encoder, feature_extractor=feature_extractor, **hunyuan.parts()
    )
    pipeline.save_pretrained(folder)
    return folder
