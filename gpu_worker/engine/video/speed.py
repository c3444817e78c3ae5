"""Speed settings of a row (``gpu_worker.families.speed``) on the modules that a render has leased.

Attention backends give the same picture to the last bits of precision; caches and products in eight bits trade some
quality; compiled blocks are
compiled once for a shape and a process. All are switched off after the render: the modules are shared with other rows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import FirstBlockCacheConfig, MagCacheConfig, TaylorSeerCacheConfig
from diffusers.models.attention_dispatch import attention_backend, dispatch_attention_fn

from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.video import eight_bit_products
from gpu_worker.families.speed import CACHES, EIGHT_BIT_PRODUCTS

log = logging.getLogger(__name__)

_COMPILER_LOG = logging.getLogger("torch._dynamo")
_CONFIGS: Mapping[str, Callable[..., Any]] = {
    "first_block_cache": FirstBlockCacheConfig,
    "mag_cache": MagCacheConfig,
    "taylorseer_cache": TaylorSeerCacheConfig,
}
_ATTENTIONS = [r"(single_)?(transformer_)?blocks\.\d+\.attn\d?"]


@contextmanager
def with_speed_settings(
    transformers: Iterable[Any], speed: Mapping[str, Any], *, steps: int, device: torch.device, dtype: torch.dtype
) -> Iterator[None]:
    """``transformers`` run with the settings of ``speed`` for the time of the block, which takes ``steps`` steps.

    ``device`` and ``dtype`` are those of the render: an attention backend is tried there on a few tokens.

    Raises:
        UnsupportedHere: this model, machine or installation cannot do it; nothing stays switched on.
    """
    with ExitStack() as undo:
        for transformer in transformers:
            for name, value in speed.items():
                try:
                    _switch_on(transformer, name, value, steps, undo)
                    if name == "attention_backend":
                        _try_attention(transformer, device, dtype)
                except (AssertionError, AttributeError, ImportError, RuntimeError, TypeError, ValueError) as problem:
                    if fault_of(problem) in (DeviceFault.OUT_OF_MEMORY, DeviceFault.LOST):
                        raise
                    raise UnsupportedHere(f"{type(transformer).__name__} cannot do {name}: {problem}") from problem
        yield


def _switch_on(transformer: Any, name: str, value: Any, steps: int, undo: ExitStack) -> None:
    if name == "attention_backend":
        # The setter also makes it the default of every other model, which only this context takes back.
        undo.enter_context(attention_backend(value))
        undo.callback(transformer.reset_attention_backend)
        transformer.set_attention_backend(value)
    elif name == "compile_repeated_blocks":
        undo.callback(_run_uncompiled, transformer)
        undo.enter_context(_limit_logged(type(transformer).__name__))
        transformer.compile_repeated_blocks(**value)
    elif name == EIGHT_BIT_PRODUCTS:
        eight_bit_products.switch_on(transformer, undo)
    elif name in CACHES:
        transformer.enable_cache(_CONFIGS[name](**value, **_known_here(name, value, steps)))
        undo.callback(_drop_bound_forwards, transformer)
        undo.callback(transformer.disable_cache)
        if not any(getattr(getattr(m, "_diffusers_hook", None), "hooks", None) for m in transformer.modules()):
            raise ValueError("it finds nothing to cache there")


@contextmanager
def _limit_logged(name: str) -> Iterator[None]:
    """For the time of the block, our log hears when PyTorch gives up compiling: what is left then runs as slowly as
    without, and only PyTorch's own log would say so."""
    listener = _LimitListener(name)
    _COMPILER_LOG.addHandler(listener)
    try:
        yield
    finally:
        _COMPILER_LOG.removeHandler(listener)


class _LimitListener(logging.Handler):
    def __init__(self, transformer: str) -> None:
        super().__init__(logging.WARNING)
        self._transformer = transformer

    def emit(self, record: logging.LogRecord) -> None:
        if "recompile_limit" in record.getMessage():
            log.warning(
                "Blocks of %s run uncompiled from here on: they were compiled anew for too many sizes. Offer fewer in "
                "this row, or set `compile_repeated_blocks: {dynamic: true}`. PyTorch says: %s",
                self._transformer,
                " ".join(record.getMessage().split()),
            )


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


def _run_uncompiled(module: torch.nn.Module) -> None:
    """PyTorch keeps what it has compiled for the next time; the module itself runs as it is written."""
    for part in module.modules():
        part._compiled_call_impl = None
