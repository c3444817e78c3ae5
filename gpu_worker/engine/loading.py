"""A component's weights from disk into main memory."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from gpu_worker.engine.checkpoint import Part
from gpu_worker.engine.components import Component
from gpu_worker.engine.errors import CheckpointBroken, UnsupportedRequest
from gpu_worker.engine.gguf import load_gguf
from gpu_worker.engine.loras import fuse
from gpu_worker.engine.quantisation import QuantisedStore, quantise
from gpu_worker.engine.speed import fuse_qkv, lay_channels_last
from gpu_worker.engine.storages import map_plain
from gpu_worker.engine.weights import Weights

log = logging.getLogger(__name__)


class Loader:
    """Brings components from disk into main memory. Quantised ones are made once and kept in ``store``."""

    def __init__(self, store: QuantisedStore) -> None:
        self._store = store

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
        hull = load_hull(component)
        if self._store.fill(component, hull):
            return hull
        module = quantise(_from_checkpoint(component), component)
        try:
            self._store.keep(component, module)
        except OSError as problem:
            log.warning("Quantised weights could not be kept and will be made again: %s", problem)
        return module


def _from_checkpoint(component: Component) -> torch.nn.Module:
    part = component.part
    dtype_argument = "dtype" if part.library == "transformers" else "torch_dtype"
    try:
        module: torch.nn.Module = part.cls.from_pretrained(
            str(part.folder), use_safetensors=True, local_files_only=True, **{dtype_argument: dtype_of(component)}
        )
    except (OSError, SafetensorError, ValueError, KeyError, json.JSONDecodeError) as problem:
        raise _broken(part, problem) from problem
    except RuntimeError as problem:
        if "size mismatch" in str(problem) or "Error(s) in loading state_dict" in str(problem):
            raise _broken(part, problem) from problem
        raise
    own_memory(module)
    fuse(module, component.patches)
    lay_out(module, component)
    return module.eval().requires_grad_(False)


def lay_out(module: torch.nn.Module, component: Component) -> None:
    """Arrange the weights of ``module`` as the row wants them."""
    if component.layout == "fused_qkv":
        fuse_qkv(module)
    elif component.layout == "channels_last_vae":
        lay_channels_last(module)


def own_memory(module: torch.nn.Module) -> None:
    """Copy what is only a view of a file into memory.

    The libraries map weights that need no conversion instead of reading them. Then a "loaded" model is read when its
    first step touches it, and a file that is replaced or cut short meanwhile ends the process with SIGBUS.
    """

    def copied(tensor: torch.Tensor) -> torch.Tensor:
        is_view_of_file = not tensor.untyped_storage().resizable()
        return tensor.clone() if is_view_of_file else tensor

    weights = Weights(module)
    weights.put([map_plain(tensor.data, copied) for tensor in weights.tensors])


def load_hull(component: Component) -> torch.nn.Module:
    """The module of ``component`` without weights: its shapes and configuration, and no memory.

    Raises:
        CheckpointBroken: the configuration cannot be read.
    """
    part = component.part
    try:
        with torch.device("meta"):
            if part.library == "transformers":
                module: torch.nn.Module = part.cls(part.cls.config_class.from_pretrained(str(part.folder)))
            else:
                module = part.cls.from_config(part.cls.load_config(str(part.folder)))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise _broken(part, problem) from problem
    torch.nn.Module.to(module, dtype_of(component))  # diffusers' own warns about parts in float32: there are no weights
    lay_out(module, component)
    return module.eval().requires_grad_(False)


def load_tool(part: Part) -> Any:
    """A part without weights: tokenizer, scheduler, image processor.

    Raises:
        CheckpointBroken: its files cannot be read.
    """
    try:
        return part.cls.from_pretrained(str(part.folder), local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise _broken(part, problem) from problem


def dtype_of(component: Component) -> torch.dtype:
    """
    Raises:
        UnsupportedRequest: PyTorch has no such dtype.
    """
    dtype = getattr(torch, component.dtype, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UnsupportedRequest(f"{component.dtype!r} is no dtype to compute in; bfloat16, float16 and float32 are")
    return dtype


def _broken(part: Part, problem: Exception) -> CheckpointBroken:
    first_line = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    return CheckpointBroken(f"{part.folder.parent.name}: component {part.name!r} cannot be read: {first_line}")
