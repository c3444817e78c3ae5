"""A component's weights from disk into main memory."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers.models.modeling_utils import no_init_weights
from safetensors import SafetensorError

from gpu_worker.engine.errors import UnsupportedRequest
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.main_memory import give_back_free_blocks, large_blocks_given_back
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.footprint import bare_meta_module, broken_checkpoint
from gpu_worker.engine.weights.gguf import load_gguf
from gpu_worker.engine.weights.layouts import fuse_qkv, lay_channels_last
from gpu_worker.engine.weights.loras import fuse
from gpu_worker.engine.weights.quantisation import CPU, QuantisedStore, quantise, quantise_weight
from gpu_worker.engine.weights.quantised_layers import quantised_linears
from gpu_worker.engine.weights.tensor_files import StoredTensor, stored_tensors, weight_files
from gpu_worker.engine.weights.transformers_quantiser import Change, ChangeWhileReading
from gpu_worker.engine.weights.unused_parts import without_unused

log = logging.getLogger(__name__)


class Loader:
    """Brings components from disk into main memory. Quantised ones are made once and kept in ``store``."""

    def __init__(self, store: QuantisedStore, device: torch.device = CPU) -> None:
        self._store = store
        self._device = device

    def files(self, component: Component) -> list[Path]:
        """What ``load`` will read: the quantised weights if they are kept, else the checkpoint's."""
        kept = self._store.file(component)
        if component.quantisation != "none" and kept.is_file():
            return [kept]
        if component.part.file is not None:
            return [component.part.file]
        return sorted(component.part.folder.glob("*.safetensors"))

    def load(self, component: Component) -> torch.nn.Module:
        """``component`` as its checkpoint has it, in its dtype and quantisation, ready for inference.

        Raises:
            CheckpointBroken: a file is missing, truncated or does not suit the configuration.
        """
        if component.part.file is not None:
            return load_gguf(component, dtype_of(component))
        if component.quantisation == "none":
            return _from_checkpoint(component)
        meta_module = load_meta_module(component)
        if self._store.fill(component, meta_module):
            return meta_module
        with self._store.made_by_one(component), large_blocks_given_back():
            if self._store.fill(component, meta_module):  # by another worker meanwhile
                return meta_module
            return self._make(component, meta_module)

    def _make(self, component: Component, meta_module: torch.nn.Module) -> torch.nn.Module:
        started = time.monotonic()
        if component.is_read_whole:
            module = quantise(_from_checkpoint(component), component, self._device)
        else:
            names = quantised_linears(meta_module, dtype_of(component))
            module = _from_checkpoint(
                component,
                frozenset(f"{name}.weight" for name in names),
                lambda name, weight: quantise_weight(weight, component.quantisation, self._device),
            )
        give_back_free_blocks()  # of the tensors that were read, which the allocator keeps
        log_event(
            log,
            "component quantised",
            component=component.name,
            key=component.key,
            quantisation=component.quantisation,
            seconds=time.monotonic() - started,
        )
        try:
            self._store.keep(component, module)
        except OSError as problem:
            log.warning("Quantised weights could not be kept and will be made again: %s", problem)
        return module


def _from_checkpoint(
    component: Component, changed: frozenset[str] = frozenset(), change: Change = lambda name, weight: weight
) -> torch.nn.Module:
    """The module of ``component``; each weight of ``changed`` is what ``change`` makes of it as soon as it is read."""
    part = component.part
    try:
        files = weight_files(part.folder, "model" if part.library == "transformers" else "diffusion_pytorch_model")
        with stored_tensors(files) as tensors:
            read = _by_transformers if part.library == "transformers" else _by_diffusers
            module = read(part, tensors, dtype_of(component), changed, change)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, json.JSONDecodeError) as problem:
        raise broken_checkpoint(part, problem) from problem
    except RuntimeError as problem:
        if "size mismatch" in str(problem) or "Error(s) in loading state_dict" in str(problem):
            raise broken_checkpoint(part, problem) from problem
        raise
    fuse(module, component.patches)
    lay_out(module, component)
    return module.eval().requires_grad_(False)


def lay_out(module: torch.nn.Module, component: Component) -> None:
    """Arrange the weights of ``module`` as the row wants them."""
    if component.layout == "fused_qkv":
        fuse_qkv(module)
    elif component.layout == "channels_last_vae":
        lay_channels_last(module)


def _by_transformers(
    part: Part, tensors: dict[str, StoredTensor], dtype: torch.dtype, changed: frozenset[str], change: Change
) -> torch.nn.Module:
    """transformers renames, merges and ties weights in its own ways, and takes tensors that are not read yet."""
    config = part.cls.config_class.from_pretrained(str(part.folder), local_files_only=True, trust_remote_code=False)
    quantising = {"quantization_config": ChangeWhileReading(changed, change)} if changed else {}
    module: torch.nn.Module = without_unused(part.cls).from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, trust_remote_code=False, **quantising
    )
    return module


def _by_diffusers(
    part: Part, tensors: dict[str, StoredTensor], dtype: torch.dtype, changed: frozenset[str], change: Change
) -> torch.nn.Module:
    """What diffusers' ``from_pretrained`` does, reading each tensor once and in its final dtype."""
    config = part.cls.load_config(str(part.folder))
    with _default_dtype(dtype), no_init_weights(), init_empty_weights():
        module: Any = part.cls.from_config(config)
    module._fix_state_dict_keys_on_load(tensors)  # names that old checkpoints have
    kept = module._keep_in_fp32_modules or ()
    kept = {kept} if isinstance(kept, str) else set(kept)
    expected = module.state_dict().keys()
    weights = {}
    for name, stored in tensors.items():
        if name in expected:
            read = stored.read(torch.float32 if kept & set(name.split(".")) else dtype)
            weights[name] = change(name, read) if name in changed else read
    missing = module.load_state_dict(weights, strict=False, assign=True).missing_keys
    if missing:
        raise ValueError(f"it lacks {missing[0]} and {len(missing) - 1} others of its weights")
    return module  # type: ignore[no-any-return]


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors that a model computes for itself when it is made are of this dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def load_meta_module(component: Component) -> torch.nn.Module:
    """The module of ``component`` without weights: its shapes and configuration, and no memory.

    Raises:
        CheckpointBroken: the configuration cannot be read.
    """
    module = bare_meta_module(component.part)
    torch.nn.Module.to(module, dtype_of(component))  # diffusers' own warns about parts in float32: there are no weights
    lay_out(module, component)
    return module.eval().requires_grad_(False)


def load_tool(part: Part) -> Any:
    """A part without weights: tokenizer, scheduler, image processor.

    Raises:
        CheckpointBroken: its files cannot be read.
    """
    try:
        return part.cls.from_pretrained(str(part.folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise broken_checkpoint(part, problem) from problem


def dtype_of(component: Component) -> torch.dtype:
    """
    Raises:
        UnsupportedRequest: PyTorch has no such dtype.
    """
    dtype = getattr(torch, component.dtype, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UnsupportedRequest(f"{component.dtype!r} is no dtype to compute in; bfloat16, float16 and float32 are")
    return dtype
