"""HunyuanVideo with random weights, and the real one's ratios: 8 pixels and 4 frames to a latent, patches of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel

from tests.tiny.text_encoders import WIDTH
from tests.tiny.tokenizers import clip_tokenizer, llama_tokenizer

LATENT_CHANNELS = 4
TRANSFORMER: dict[str, Any] = {
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "num_attention_heads": 2,
    "attention_head_dim": WIDTH // 2,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "patch_size": 2,
    "patch_size_t": 1,
    "guidance_embeds": True,
    "text_embed_dim": WIDTH,
    "pooled_projection_dim": WIDTH,
    "rope_axes_dim": (4, 6, 6),
}


def build(folder: Path, *, seed: int = 0) -> Path:
    """Save the pipeline into ``folder``."""
    torch.manual_seed(seed)
    transformer = HunyuanVideoTransformer3DModel(**TRANSFORMER)
    HunyuanVideoPipeline(transformer=transformer, **parts()).save_pretrained(folder)
    return folder


def parts() -> dict[str, Any]:
    """All but the transformer, the same for every checkpoint that derives from HunyuanVideo."""
    torch.manual_seed(0)
    tokenizer, tokenizer_2 = llama_tokenizer(), clip_tokenizer()
    return {
        "text_encoder": LlamaModel(llama_config(tokenizer)).eval(),
        "tokenizer": tokenizer,
        "text_encoder_2": _clip(tokenizer_2),
        "tokenizer_2": tokenizer_2,
        "vae": _vae(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def llama_config(tokenizer: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _clip(tokenizer: Any) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=WIDTH,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config).eval()


def _vae() -> AutoencoderKLHunyuanVideo:
    return AutoencoderKLHunyuanVideo(
        latent_channels=LATENT_CHANNELS,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
        mid_block_add_attention=True,
    )
