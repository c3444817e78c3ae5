"""What is measured: real classes of diffusers, in three sizes, each with the clip that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

SIZES = ("small", "medium", "full")
"""For tests; for a CPU, a few hundred megabytes; and as published."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A subject at one size: configurations, and the clip's width, height (pixels) and frames."""

    transformer: dict[str, Any]
    vae: dict[str, Any]
    clip: tuple[int, int, int]

    @property
    def text_width(self) -> int:
        return int(self.transformer.get("caption_channels", self.transformer.get("text_dim", 4096)))


@dataclass(frozen=True, slots=True)
class Subject:
    """A model without its text encoder: what a prompt became is drawn at random."""

    family: str
    pipeline: str
    transformer: str
    vae: str
    scheduler: Callable[[], Any]
    pixels_per_latent: int
    frames_per_latent: int
    inputs: Callable[[tuple[int, int, int], int], dict[str, Any]]
    """One step's, from latent frames, height and width, and the width of text."""
    prompt: Callable[[int], dict[str, Any]]
    """The pipeline's, from the width of text."""
    scales: Mapping[str, Scale]

    def latents(self, size: str) -> tuple[int, int, int]:
        """Latent frames, height and width of the clip."""
        width, height, frames = self.scales[size].clip
        pixels = self.pixels_per_latent
        return (frames - 1) // self.frames_per_latent + 1, height // pixels, width // pixels


def _ltx_inputs(latents: tuple[int, int, int], text_width: int) -> dict[str, Any]:
    frames, height, width = latents
    return {
        "hidden_states": torch.randn(1, frames * height * width, 128),
        "encoder_hidden_states": torch.randn(1, 128, text_width),
        "encoder_attention_mask": torch.ones(1, 128),
        "timestep": torch.tensor([500.0]),
        "num_frames": frames,
        "height": height,
        "width": width,
    }


def _wan_inputs(latents: tuple[int, int, int], text_width: int) -> dict[str, Any]:
    return {
        "hidden_states": torch.randn(1, 16, *latents),
        "encoder_hidden_states": torch.randn(1, 512, text_width),
        "timestep": torch.tensor([500]),
    }


def _ltx_vae(width: int, layers: int) -> dict[str, Any]:
    widths, depths = (width, width, 2 * width, 2 * width), (layers,) * 5
    return {
        "block_out_channels": widths,
        "decoder_block_out_channels": widths,
        "layers_per_block": depths,
        "decoder_layers_per_block": depths,
    }


def _wan(heads: int, ffn_width: int, layers: int, text_width: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads,
        "ffn_dim": ffn_width,
        "num_layers": layers,
        "text_dim": text_width,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
    }


def _ltx(heads: int, layers: int, text_width: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads,
        "cross_attention_dim": heads * 64,
        "num_layers": layers,
        "caption_channels": text_width,
    }


SUBJECTS = {
    "ltx-2b": Subject(
        family="ltx",
        pipeline="LTXPipeline",
        transformer="LTXVideoTransformer3DModel",
        vae="AutoencoderKLLTXVideo",
        scheduler=FlowMatchEulerDiscreteScheduler,
        pixels_per_latent=32,
        frames_per_latent=8,
        inputs=_ltx_inputs,
        prompt=lambda width: {
            "prompt_embeds": torch.randn(1, 128, width),
            "prompt_attention_mask": torch.ones(1, 128),
        },
        scales={
            "small": Scale(_ltx(2, 2, 64), _ltx_vae(8, 1), (64, 64, 9)),
            "medium": Scale(_ltx(16, 10, 1024), _ltx_vae(32, 2), (192, 128, 17)),
            "full": Scale({}, {}, (704, 480, 97)),  # the classes' defaults are LTX-Video 2B
        },
    ),
    "wan-1.3b": Subject(
        family="wan",
        pipeline="WanPipeline",
        transformer="WanTransformer3DModel",
        vae="AutoencoderKLWan",
        scheduler=lambda: UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        pixels_per_latent=8,
        frames_per_latent=4,
        inputs=_wan_inputs,
        prompt=lambda width: {"prompt_embeds": torch.randn(1, 512, width)},
        scales={
            "small": Scale(
                _wan(2, 256, 2, 64), {"base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}, (32, 32, 5)
            ),
            "medium": Scale(_wan(8, 4096, 8, 1024), {"base_dim": 16, "num_res_blocks": 1}, (96, 64, 9)),
            "full": Scale(_wan(12, 8960, 30, 4096), {}, (832, 480, 81)),
        },
    ),
}
