"""A component's weights from disk into main memory."""

from __future__ import annotations

import json
from typing import Any

import torch
from safetensors import SafetensorError

from gpu_worker.engine.checkpoint import Part
from gpu_worker.engine.components import Component
from gpu_worker.engine.errors import CheckpointBroken


def load(component: Component) -> torch.nn.Module:
    """Read ``component`` as its checkpoint has it, in its dtype, ready for inference, in main memory.

    Raises:
        CheckpointBroken: a file is missing, truncated or does not suit the configuration.
    """
    part = component.part
    dtype = getattr(torch, component.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise CheckpointBroken(f"{component.dtype!r} is no dtype of PyTorch; bfloat16, float16 and float32 are")
    dtype_argument = "dtype" if part.library == "transformers" else "torch_dtype"
    try:
        module: torch.nn.Module = part.cls.from_pretrained(
            str(part.folder), use_safetensors=True, local_files_only=True, **{dtype_argument: dtype}
        )
    except (OSError, SafetensorError, ValueError, KeyError, json.JSONDecodeError) as problem:
        raise _broken(part, problem) from problem
    except RuntimeError as problem:
        if "size mismatch" in str(problem) or "Error(s) in loading state_dict" in str(problem):
            raise _broken(part, problem) from problem
        raise
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


def _broken(part: Part, problem: Exception) -> CheckpointBroken:
    first_line = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    return CheckpointBroken(f"{part.folder.parent.name}: component {part.name!r} cannot be read: {first_line}")
