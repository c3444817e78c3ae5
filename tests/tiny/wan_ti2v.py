"""Wan 2.2 TI2V-5B with random weights: a VAE of 16 pixels to a latent, and a time for each of them."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanPipeline, WanTransformer3DModel

from tests.tiny import wan
from tests.tiny.text_encoders import umt5_encoder
from tests.tiny.tokenizers import t5_tokenizer

CHANNELS = 48


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    sizes = wan.transformer_sizes(in_channels=CHANNELS) | {"out_channels": CHANNELS}
    pipeline = WanPipeline(
        tokenizer=t5_tokenizer(512),
        text_encoder=umt5_encoder(),
        vae=_vae(),
        scheduler=wan.scheduler(),
        transformer=WanTransformer3DModel(**sizes),
        expand_timesteps=True,
    )
    pipeline.save_pretrained(folder)
    return folder


def _vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=CHANNELS,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
        latents_mean=[0.0] * CHANNELS,
        latents_std=[1.0] * CHANNELS,
    )
