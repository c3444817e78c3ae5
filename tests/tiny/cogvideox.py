"""CogVideoX with random weights, and the real one's ratios: 8 pixels and 4 frames to a latent."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)

from tests.tiny.text_encoders import WIDTH, t5_encoder
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
    torch.manual_seed(seed)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=4,
        attention_head_dim=width // 4,
        in_channels=4,
        out_channels=4,
        time_embed_dim=32,
        text_embed_dim=text_width,
        num_layers=layers,
        sample_width=12,
        sample_height=8,
        sample_frames=9,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
    )
    scheduler = CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        snr_shift_scale=3.0,
        timestep_spacing="trailing",
    )
    pipeline = CogVideoXPipeline(
        tokenizer=t5_tokenizer(226),
        text_encoder=t5_encoder(seed=text_seed, width=text_width, layers=text_layers),
        vae=vae,
        transformer=transformer,
        scheduler=scheduler,
    )
    pipeline.save_pretrained(folder)
    return folder
