"""Bytes of tensors, counted once per storage.

``numel × element_size`` lies twice: a quantised tensor reports the dtype it pretends to have, and tied weights are
counted as often as they are named. Only storages tell how much memory is really held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

Storage = tuple[torch.device, int]
"""Which storage: its device and the address of its record. Valid as long as a tensor holds it."""


def plain_tensors(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors with a storage of their own that ``tensor`` is made of: itself, or what a subclass wraps."""
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        for name in names:
            yield from plain_tensors(getattr(tensor, name))
    else:
        yield tensor


def map_plain(tensor: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """``tensor`` rebuilt from ``change`` of each tensor that it is made of."""
    if not is_traceable_wrapper_subclass(tensor):
        return change(tensor)
    names, context = tensor.__tensor_flatten__()
    inner = {name: map_plain(getattr(tensor, name), change) for name in names}
    rebuilt: torch.Tensor = type(tensor).__tensor_unflatten__(inner, context, tensor.shape, tensor.stride())
    return rebuilt


def storages_of(tensors: Iterable[torch.Tensor]) -> dict[Storage, int]:
    """Bytes of each storage that ``tensors`` hold."""
    sizes = {}
    for tensor in tensors:
        for part in plain_tensors(tensor):
            storage = part.untyped_storage()
            sizes[part.device, storage._cdata] = storage.nbytes()
    return sizes


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes held by ``tensors`` together: each storage once, however many tensors share it."""
    return sum(storages_of(tensors).values())


def tensors_of(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Every parameter and buffer of ``module``, each object once."""
    yield from module.parameters()
    yield from module.buffers()


def module_bytes(module: torch.nn.Module) -> int:
    """Bytes that the weights of ``module`` hold."""
    return storage_bytes(tensors_of(module))


class ByteLedger:
    """Who holds which storages, and the bytes of all of them together. Reading the sum costs nothing.

    ``rounded`` says what a storage of so many bytes takes, where that is more.
    """

    def __init__(self, rounded: Callable[[int], int] = lambda size_bytes: size_bytes) -> None:
        self.used_bytes = 0
        self._rounded = rounded
        self._held: dict[str, dict[Storage, int]] = {}
        self._holders: Counter[Storage] = Counter()

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def add(self, key: str, tensors: Iterable[torch.Tensor]) -> int:
        """Enter what ``key`` holds, in place of what it held before; its bytes. The tensors must outlive the entry."""
        self.remove(key)
        held = {storage: self._rounded(size_bytes) for storage, size_bytes in storages_of(tensors).items()}
        self._held[key] = held
        for storage, size_bytes in held.items():
            self._holders[storage] += 1
            if self._holders[storage] == 1:
                self.used_bytes += size_bytes
        return sum(held.values())

    def remove(self, key: str) -> None:
        """Strike what ``key`` holds. Does nothing for a key that is not there."""
        for storage, size_bytes in self._held.pop(key, {}).items():
            self._holders[storage] -= 1
            if not self._holders[storage]:
                del self._holders[storage]
                self.used_bytes -= size_bytes


SWAPPED_AT_ONCE = 2
"""Blocks that block swap has on the device beside those that stay: one computes while the next one comes."""


def blocks_of(module: torch.nn.Module) -> list[torch.nn.Module]:
    """The parts of ``module`` that block swap moves, in the order in which they compute."""
    return [block for child in module.children() if isinstance(child, torch.nn.ModuleList) for block in child]


def least_swapped_bytes(module: torch.nn.Module) -> int:
    """Bytes of ``module`` on the device at once while all its blocks are swapped: two, and what is in no block."""
    blocks = blocks_of(module)
    in_blocks = {id(t) for block in blocks for t in tensors_of(block)}
    outside = storage_bytes(t for t in tensors_of(module) if id(t) not in in_blocks)
    return outside + SWAPPED_AT_ONCE * max((storage_bytes(tensors_of(block)) for block in blocks), default=0)
