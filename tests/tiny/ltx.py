"""LTX-Video with random weights, and the real one's ratios: 32 pixels and 8 frames to a latent."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXPipeline, LTXVideoTransformer3DModel

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
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=width // 4,
        cross_attention_dim=width,
        num_layers=layers,
        caption_channels=text_width,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=False,
        encoder_causal=True,
        decoder_causal=False,
    )
    pipeline = LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=t5_encoder(seed=text_seed, width=text_width, layers=text_layers),
        tokenizer=t5_tokenizer(128),
        transformer=transformer,
    )
    pipeline.save_pretrained(folder)
    return folder
