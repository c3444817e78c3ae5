"""What a component will take once it is loaded, counted on its module without weights by the rules of loading."""

from __future__ import annotations

from functools import lru_cache

import torch
from diffusers.models.modeling_utils import no_init_weights
from transformers import PreTrainedModel

from gpu_worker.engine.errors import CheckpointBroken
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.quantised_layers import quantised_linears
from gpu_worker.engine.weights.unused_parts import without_unused
from gpu_worker.families.memory import BYTES_PER_WEIGHT

_BYTES_PER_ROW = {"int8": 5, "fp8": 4}
"""Of a quantised matrix, beside its weights: a scale, and in eight whole bits a zero point."""


def bare_meta_module(part: Part) -> torch.nn.Module:
    """The module of ``part`` in its class's own dtype, without weights: its shapes and configuration, and no memory.

    Raises:
        CheckpointBroken: the configuration cannot be read.
    """
    try:
        with torch.device("meta"), no_init_weights():
            if part.library == "transformers":
                config = part.cls.config_class.from_pretrained(str(part.folder), trust_remote_code=False)
                module: torch.nn.Module = without_unused(part.cls)(config)
            else:
                module = part.cls.from_config(part.cls.load_config(str(part.folder)))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise broken_checkpoint(part, problem) from problem
    return module


def broken_checkpoint(part: Part, problem: Exception) -> CheckpointBroken:
    """What to say of a component that ``problem`` keeps from being read."""
    first_line = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    return CheckpointBroken(f"{part.folder.parent.name}: component {part.name!r} cannot be read: {first_line}")


def footprint_bytes(module: torch.nn.Module, dtype: torch.dtype, quantisation: str) -> int:
    """Bytes of ``module`` (without weights) once it is loaded in ``dtype`` and quantised."""
    torch.nn.Module.to(module, dtype)  # diffusers' own warns about parts in float32: there are no weights
    quantised = quantised_linears(module, dtype) if quantisation in BYTES_PER_WEIGHT else {}
    kept_names = _kept_in_float32(module, dtype)
    quantised_names = {f"{name}.weight" for name in quantised}
    total = 0.0
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if name in quantised_names:
            total += tensor.numel() * BYTES_PER_WEIGHT[quantisation] + len(tensor) * _BYTES_PER_ROW.get(quantisation, 0)
        elif tensor.is_floating_point() and kept_names & set(name.split(".")):
            total += 4 * tensor.numel()
        else:
            total += tensor.element_size() * tensor.numel()
    return int(total)


def _kept_in_float32(module: torch.nn.Module, dtype: torch.dtype) -> set[str]:
    """Names of parts that loading keeps in float32: diffusers' always, most of transformers' only beside float16."""
    is_narrow = dtype is torch.float16 or not isinstance(module, PreTrainedModel)
    kept: set[str] = set()
    for attribute, applies in (("_keep_in_fp32_modules", is_narrow), ("_keep_in_fp32_modules_strict", True)):
        names = getattr(module, attribute, None) or ()
        kept |= ({names} if isinstance(names, str) else set(names)) if applies else set()
    return kept


@lru_cache(maxsize=1024)
def declared_bytes(key: str, part: Part, dtype: str, quantisation: str) -> int:
    """Bytes of a component by its configuration. ``key`` stands for the content of its folder, which may change under
    the same name.

    Raises:
        CheckpointBroken: the configuration cannot be read.
    """
    return footprint_bytes(bare_meta_module(part), getattr(torch, dtype, torch.bfloat16), quantisation)


@lru_cache(maxsize=1024)
def whole_bytes(key: str, part: Part) -> int:
    """Bytes of a component at 16 bits a weight, whatever is loaded of it: what catalogue and families count in.

    Raises:
        CheckpointBroken: the configuration cannot be read.
    """
    return 2 * sum(parameter.numel() for parameter in bare_meta_module(part).parameters())
