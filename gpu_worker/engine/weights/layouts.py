"""Other layouts of the same weights, made once when a component is loaded: fused projections, channels last."""

from __future__ import annotations

from typing import Any

import torch

from gpu_worker.engine.errors import UnsupportedRequest

_REPLACED = {"to_qkv": ("to_q", "to_k", "to_v"), "to_kv": ("to_k", "to_v"), "to_added_kv": ("add_k_proj", "add_v_proj")}
"""What a fused projection does the work of."""


def fuse_qkv(transformer: Any) -> None:
    """One projection where attention had three, and nothing of the three left.

    Raises:
        UnsupportedRequest: diffusers fuses none of this class.
    """
    if not hasattr(transformer, "fuse_qkv_projections"):
        raise UnsupportedRequest(f"{type(transformer).__name__} cannot do fused_qkv")
    with torch.no_grad():
        transformer.fuse_qkv_projections()
    for module in transformer.modules():
        for fused, parts in _REPLACED.items():
            if getattr(module, fused, None) is not None:
                for part in parts:
                    delattr(module, part)


def lay_channels_last(vae: torch.nn.Module) -> None:
    """The weights of convolutions with their channels side by side in memory, as fast kernels like them. Same bytes."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in vae.parameters():
        if parameter.ndim in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])
