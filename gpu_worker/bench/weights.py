"""Checkpoints with random weights, made from a configuration: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights

from gpu_worker.bench.subjects import Subject
from gpu_worker.engine.weights.checkpoint import Part


def transformer_of(subject: Subject, size: str, folder: Path) -> Part:
    """Return the denoiser of a subject, made in ``folder`` unless it is there."""
    part = Part("transformer", folder / "transformer", "diffusers", subject.transformer)
    if not part.folder.is_dir():
        make(part, subject.scales[size].transformer)
    return part


def make(part: Part, config: Any) -> None:
    """Save ``part`` with random weights in bfloat16. ``config`` is a mapping, or a configuration of transformers.

    Weights keep the size of what runs through them, as those of trained models do.
    """
    torch.manual_seed(0)
    with init_empty_weights():  # of parameters alone: buffers hold figures that the configuration gives
        module = part.cls(**config) if isinstance(config, dict) else part.cls(config)
    for owner in module.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            owner.register_parameter(name, torch.nn.Parameter(_random(name, parameter.shape)))
    if part.library == "transformers":
        module.tie_weights()  # two names for one parameter have become two
    torch.nn.Module.to(module, torch.bfloat16).save_pretrained(part.folder)


def _random(name: str, shape: torch.Size) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=torch.bfloat16)
    if tensor.ndim > 1:
        return tensor.normal_(0, tensor[0].numel() ** -0.5)
    return tensor.fill_(1) if name == "weight" else tensor.normal_(0, 0.02)
