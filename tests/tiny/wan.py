"""Wan 2.1 with random weights, and the real one's ratios: 8 pixels and 4 frames to a latent, patches of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel

from tests.tiny.text_encoders import WIDTH, umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer


def build(
    folder: Path,
    *,
    seed: int = 0,
    width: int = WIDTH,
    layers: int = 1,
    text_seed: int = 0,
    text_width: int = WIDTH,
    text_layers: int = 2,
) -> Path:
    """Save the pipeline into ``folder``. ``text_…`` alone decide the text encoder, so that models can share one."""
    pipeline = WanPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(seed=text_seed, width=text_width, layers=text_layers),
        vae=vae(),
        scheduler=scheduler(),
        transformer=WanTransformer3DModel(
            **transformer_sizes(seed=seed, width=width, layers=layers) | {"text_dim": text_width}
        ),
    )
    pipeline.save_pretrained(folder)
    return folder


def vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def transformer_sizes(*, seed: int = 0, width: int = WIDTH, layers: int = 1, in_channels: int = 16) -> dict[str, Any]:
    """Seeds torch as well, so that the transformer made from these sizes is always the same."""
    torch.manual_seed(seed)
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": width // 2,
        "in_channels": in_channels,
        "out_channels": 16,
        "text_dim": WIDTH,
        "freq_dim": 32,
        "ffn_dim": 2 * width,
        "num_layers": layers,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 128,
    }
