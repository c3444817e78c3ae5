"""Text encoders of two layers, with random weights from a fixed seed."""

from __future__ import annotations

import torch
from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

WIDTH = 32
"""A multiple of 32: quantised kernels ask for it."""


def t5_encoder(*, seed: int = 0, width: int = WIDTH, layers: int = 2) -> T5EncoderModel:
    """The encoder that LTX-Video and CogVideoX share. The same arguments give the same weights, bit by bit."""
    torch.manual_seed(seed)
    return T5EncoderModel(T5Config(**_t5_sizes(width, layers)))


def umt5_encoder(*, seed: int = 0, width: int = WIDTH, layers: int = 2) -> UMT5EncoderModel:
    """The encoder of all Wan models."""
    torch.manual_seed(seed)
    return UMT5EncoderModel(UMT5Config(**_t5_sizes(width, layers)))


def _t5_sizes(width: int, layers: int) -> dict[str, object]:
    return {
        "vocab_size": 128,
        "d_model": width,
        "d_kv": width // 4,
        "d_ff": 2 * width,
        "num_layers": layers,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
        "dropout_rate": 0.0,
    }
