"""Ways to do with less memory: blocks that visit the device in turn, and decoding in tiles. Both are diffusers'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.hooks import HookRegistry, apply_group_offloading
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")


@contextmanager
def streamed(modules: Iterable[torch.nn.Module], device: torch.device) -> Iterator[None]:
    """The blocks of ``modules`` (which lie in main memory) are on ``device`` only while they compute.

    On CUDA the next block is copied while the one before computes, except for quantised weights: diffusers cannot
    prefetch those yet. Afterwards the modules lie in main memory as before.
    """
    modules = list(modules)
    try:
        for module in modules:
            is_quantised = any(
                is_traceable_wrapper_subclass(t) or hasattr(t, "quant_type") for t in module.parameters()
            )
            apply_group_offloading(
                module,
                onload_device=device,
                offload_device=torch.device("cpu"),
                offload_type="block_level",
                num_blocks_per_group=1,
                use_stream=device.type == "cuda" and not is_quantised,
            )
        yield
    finally:
        for module in modules:
            registry = HookRegistry.check_if_exists_or_initialize(module)
            for name in _HOOKS:
                registry.remove_hook(name, recurse=True)


@contextmanager
def tiled(vae: Any) -> Iterator[None]:
    """``vae`` decodes in overlapping tiles for the time of the block. Pixels differ slightly from those in one go."""
    was_tiled = getattr(vae, "use_tiling", False)
    vae.enable_tiling()
    try:
        yield
    finally:
        if not was_tiled:
            vae.disable_tiling()
