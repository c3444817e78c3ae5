"""Which layers of a module quantisation applies to: the rule by which weights are made and counted."""

from __future__ import annotations

import re

import torch

_LEAST_WIDTH = 32
"""Kernels work on blocks of this many columns; narrower layers stay as they are."""


def quantised_linears(module: torch.nn.Module, dtype: torch.dtype) -> dict[str, torch.nn.Linear]:
    """The linear layers of ``module`` that are quantised, by name.

    What the model marks as sensitive stays as it is: modules that it keeps in float32, and those that it excludes from
    layerwise casting, which are norms with what modulates them, and embeddings of patches and time. So does a layer
    that shares its weight with another, such as the head of a language model with its embedding: quantised, it would
    take bytes of its own.
    """
    sensitive = [re.compile(pattern) for pattern in getattr(module, "_skip_layerwise_casting_patterns", None) or ()]
    shared = _shared_parameters(module)
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, torch.nn.Linear)
        and layer.weight.dtype == dtype
        and layer.in_features % _LEAST_WIDTH == 0
        and layer.out_features % _LEAST_WIDTH == 0
        and id(layer.weight) not in shared
        and not any(pattern.search(name) for pattern in sensitive)
    }


def _shared_parameters(module: torch.nn.Module) -> set[int]:
    seen: set[int] = set()
    shared: set[int] = set()
    for part in module.modules():
        for parameter in part.parameters(recurse=False):
            (shared if id(parameter) in seen else seen).add(id(parameter))
    return shared
