"""HunyuanVideo-1.5 with random weights, and the real one's ratios: 16 pixels and 4 frames to a latent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)
from transformers import ByT5Tokenizer, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel, Qwen2Tokenizer

from tests.tiny.text_encoders import WIDTH, t5_encoder
from tests.tiny.tokenizers import CHARACTERS

LATENT_CHANNELS = 4
TARGET_SIZE = 64
"""What the 480p and 720p checkpoints have as 640 and 960: the side of the square among their buckets."""


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    HunyuanVideo15Pipeline(**parts(task_type="t2v")).save_pretrained(folder)
    return folder


def parts(task_type: str) -> dict[str, Any]:
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=2 * LATENT_CHANNELS + 1,
        out_channels=LATENT_CHANNELS,
        num_attention_heads=2,
        attention_head_dim=WIDTH // 2,
        num_layers=1,
        num_refiner_layers=1,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=WIDTH,
        text_embed_2_dim=WIDTH,
        image_embed_dim=WIDTH,
        rope_axes_dim=(4, 6, 6),
        target_size=TARGET_SIZE,
        task_type=task_type,
    )
    return {
        "text_encoder": _qwen(tokenizer),
        "tokenizer": tokenizer,
        "text_encoder_2": t5_encoder(),
        "tokenizer_2": ByT5Tokenizer(),
        "transformer": transformer,
        "vae": _vae(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }


def _tokenizer() -> Qwen2Tokenizer:
    """Byte-level BPE without merges: printable ASCII stands for itself, ``Ġ`` for the space, ``Ċ`` for the line end."""
    pieces = ["<|endoftext|>", *CHARACTERS, "Ġ", "Ċ"]
    tokenizer = Qwen2Tokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[])
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return tokenizer


def _qwen(tokenizer: Any) -> Qwen2_5_VLTextModel:
    config = Qwen2_5_VLTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        rope_scaling={"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"},
    )
    return Qwen2_5_VLTextModel(config).eval()


def _vae() -> AutoencoderKLHunyuanVideo15:
    return AutoencoderKLHunyuanVideo15(
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(8, 8, 16, 16, 32),
        layers_per_block=1,
        spatial_compression_ratio=16,
        temporal_compression_ratio=4,
    )
