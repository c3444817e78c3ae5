"""Single files of quantised weights in the GGUF format, read by diffusers.

Such a file is quantised already: nothing is made or kept, and its packed weights are unpacked layer by layer as they
are used.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import GGUFQuantizationConfig

from gpu_worker.engine.errors import CheckpointBroken, UnsupportedRequest
from gpu_worker.engine.weights.components import Component


def load_gguf(component: Component, dtype: torch.dtype) -> torch.nn.Module:
    """The module of ``component`` with the packed weights of its file, computing in ``dtype``.

    Raises:
        CheckpointBroken: the file cannot be read, or is of another model.
        UnsupportedRequest: diffusers reads no single files of this class, or a LoRA would have to be added.
    """
    part = component.part
    reader: Any = getattr(part.cls, "from_single_file", None)
    if reader is None:
        raise UnsupportedRequest(f"diffusers reads no GGUF files of {part.class_name}; use int8")
    if component.layout:
        raise UnsupportedRequest(f"the weights of a GGUF file cannot be laid out anew: {component.layout}")
    if component.patches:
        raise UnsupportedRequest("LoRA weights cannot be added to a GGUF file; use int8, or a file that has them")
    try:
        module: torch.nn.Module = reader(
            str(part.file),
            config=str(part.folder),
            quantization_config=GGUFQuantizationConfig(compute_dtype=dtype),
            torch_dtype=dtype,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, AttributeError) as problem:
        first_line = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise CheckpointBroken(f"{part.name}: {part.file} cannot be read: {first_line}") from problem
    left = [name for name, tensor in module.named_parameters() if tensor.is_meta]
    if left:
        raise CheckpointBroken(f"{part.name}: {part.file} lacks {len(left)} weights, {left[0]} among them")
    return module.eval().requires_grad_(False)
