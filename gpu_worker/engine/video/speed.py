"""Speed settings of a row (``gpu_worker.families.speed``) on the modules that a render has leased.

Attention backends give the same picture to the last bits of precision; caches and products in eight bits trade some
quality; blocks are compiled once for a shape. All are switched off after the render: the modules are shared with other
rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FirstBlockCacheConfig, MagCacheConfig, TaylorSeerCacheConfig
from diffusers.models.attention_dispatch import attention_backend, dispatch_attention_fn

from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.video import compiled_blocks, eight_bit_products, sea_cache
from gpu_worker.families.speed import CACHES, EIGHT_BIT_PRODUCTS

_CONFIGS: Mapping[str, Callable[..., Any]] = {
    "first_block_cache": FirstBlockCacheConfig,
    "mag_cache": MagCacheConfig,
    "taylorseer_cache": TaylorSeerCacheConfig,
}
_ATTENTIONS = [r"(single_)?(transformer_)?blocks\.\d+\.attn\d?"]


@dataclass(frozen=True, slots=True)
class RenderFacts:
    """What settings have to know of the render that they are for; a trial has no pipeline."""

    steps: int
    device: torch.device
    dtype: torch.dtype
    pipeline: Any = None
    clip: sea_cache.Clip = (0, 0, 0)


@contextmanager
def with_speed_settings(transformers: Iterable[Any], speed: Mapping[str, Any], facts: RenderFacts) -> Iterator[None]:
    """``transformers`` run with the settings of ``speed`` for the time of the block, whose ``facts`` they are.

    An attention backend is tried on its device on a few tokens, and its compiler on a line.

    Raises:
        UnsupportedHere: this model, machine or installation cannot do it; nothing stays switched on.
    """
    with ExitStack() as undo:
        for transformer in transformers:
            for name, value in speed.items():
                try:
                    _switch_on(transformer, name, value, facts, undo)
                    if name == "attention_backend":
                        _try_attention(transformer, facts.device, facts.dtype)
                except (AssertionError, AttributeError, ImportError, RuntimeError, TypeError, ValueError) as problem:
                    if fault_of(problem) in (DeviceFault.OUT_OF_MEMORY, DeviceFault.LOST):
                        raise
                    raise UnsupportedHere(f"{type(transformer).__name__} cannot do {name}: {problem}") from problem
        yield


def _switch_on(transformer: Any, name: str, value: Any, facts: RenderFacts, undo: ExitStack) -> None:
    if name == "attention_backend":
        # The setter also makes it the default of every other model, which only this context takes back.
        undo.enter_context(attention_backend(value))
        undo.callback(transformer.reset_attention_backend)
        transformer.set_attention_backend(value)
    elif name == "compile_repeated_blocks":
        compiled_blocks.switch_on(transformer, value, facts.device, undo)
    elif name == EIGHT_BIT_PRODUCTS:
        eight_bit_products.switch_on(transformer, undo)
    elif name in CACHES:
        undo.callback(_drop_bound_forwards, transformer)
        if name == "sea_cache":
            sea_cache.switch_on(transformer, value, facts.pipeline, facts.clip, undo)
        else:
            transformer.enable_cache(_CONFIGS[name](**value, **_known_here(name, value, facts.steps)))
            undo.callback(transformer.disable_cache)
        if not any(getattr(getattr(m, "_diffusers_hook", None), "hooks", None) for m in transformer.modules()):
            raise ValueError("it finds nothing to cache there")


def _try_attention(transformer: Any, device: torch.device, dtype: torch.dtype) -> None:
    """Attend once, with a mask where the model gives one: some backends take none, and say so at the first call."""
    takes_mask = "encoder_attention_mask" in inspect.signature(type(transformer).forward).parameters
    width = getattr(transformer.config, "attention_head_dim", 64)
    tokens, text = torch.zeros(1, 32, 2, width, device=device, dtype=dtype), 16
    mask = torch.zeros(1, 2, 32, text, device=device, dtype=dtype) if takes_mask else None
    dispatch_attention_fn(tokens, tokens[:, :text], tokens[:, :text], attn_mask=mask)


def _known_here(name: str, value: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """What a cache has to be told and no row should have to say."""
    if name == "mag_cache":
        return {"num_inference_steps": steps}
    if name == "taylorseer_cache" and not value.get("use_lite_mode"):
        return {"cache_identifiers": _ATTENTIONS}  # diffusers' own patterns miss attn1 and attn2, without a word
    return {}


def _drop_bound_forwards(module: torch.nn.Module) -> None:
    """Remove the ``forward`` that diffusers' hooks leave on instances: compiled blocks would compile anew for it."""
    for part in module.modules():
        bound = part.__dict__.get("forward")
        if getattr(bound, "__func__", None) is type(part).forward:
            del part.__dict__["forward"]
