"""Bytes of tensors, counted once per storage.

``numel × element_size`` lies twice: a quantised tensor reports the dtype it pretends to have, and tied weights are
counted as often as they are named. Only storages tell how much memory is really held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass


def plain_tensors(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors with a storage of their own that ``tensor`` is made of: itself, or what a subclass wraps."""
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        for name in names:
            yield from plain_tensors(getattr(tensor, name))
    else:
        yield tensor


def tensors_of(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Every parameter and buffer of ``module``, each object once."""
    yield from module.parameters()
    yield from module.buffers()


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes held by ``tensors`` together: each storage once, however many tensors share it."""
    sizes: dict[tuple[torch.device, int], int] = {}
    for tensor in tensors:
        for part in plain_tensors(tensor):
            storage = part.untyped_storage()
            sizes[part.device, storage._cdata] = storage.nbytes()
    return sum(sizes.values())


def module_bytes(module: torch.nn.Module) -> int:
    """Bytes that the weights of ``module`` hold."""
    return storage_bytes(tensors_of(module))
