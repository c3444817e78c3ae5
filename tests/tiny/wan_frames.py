"""Wan 2.1 FLF2V with random weights: a picture encoder reads the first and the last frame."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import WanImageToVideoPipeline, WanTransformer3DModel
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from tests.tiny import wan
from tests.tiny.text_encoders import WIDTH, umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer

SIDE, PATCH = 28, 14
TOKENS = (SIDE // PATCH) ** 2 + 1


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    sizes = wan.transformer_sizes(in_channels=36)
    transformer = WanTransformer3DModel(
        **sizes, image_dim=WIDTH, added_kv_proj_dim=sizes["attention_head_dim"] * 2, pos_embed_seq_len=2 * TOKENS
    )
    pipeline = WanImageToVideoPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(),
        vae=wan.vae(),
        scheduler=wan.scheduler(),
        transformer=transformer,
        image_encoder=_clip(),
        image_processor=CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
    )
    pipeline.save_pretrained(folder)
    return folder


def _clip() -> CLIPVisionModel:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_attention_heads=2,
        num_hidden_layers=2,
        image_size=SIDE,
        patch_size=PATCH,
    )
    return CLIPVisionModel(config).eval()
