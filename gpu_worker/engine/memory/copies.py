"""Weights kept in main memory, so that a component that left the device comes back without the disk."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.residents import PINNED, RAM, Entry
from gpu_worker.engine.weights.storages import ByteLedger, map_plain


class Copies:
    """The copies in main memory, within ``Device.host_bytes``; pinned as far as ``Device.pinned_bytes`` goes."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._kept = ByteLedger()
        self._pinned = ByteLedger()

    @property
    def used_bytes(self) -> int:
        return self._kept.used_bytes

    def tier(self, key: str) -> str:
        """Where a kept copy lies."""
        return PINNED if key in self._pinned else RAM

    def to_drop_for(self, size_bytes: int, droppable: Iterable[Entry]) -> list[Entry] | None:
        """Which of ``droppable`` have to go for ``size_bytes``, least recently used first; None if they never fit."""
        free_bytes = self._device.host_bytes - self._kept.used_bytes
        dropped = []
        for entry in sorted(droppable, key=lambda e: e.record.last_used):
            if free_bytes >= size_bytes:
                break
            dropped.append(entry)
            free_bytes += entry.record.size_bytes
        return dropped if free_bytes >= size_bytes else None

    def keep(self, entry: Entry) -> None:
        """Make the weights of ``entry``, which lie in main memory, its copies. Room for them is there."""
        key, tensors = entry.component.key, entry.weights.tensors
        if self._pinned.used_bytes + entry.record.size_bytes <= self._device.pinned_bytes:
            tensors = [map_plain(t, torch.Tensor.pin_memory) for t in tensors]
            self._pinned.add(key, tensors)
        self._kept.add(key, tensors)
        entry.copies = tensors
        entry.weights.put(tensors)
        entry.tier = self.tier(key)

    def drop(self, entry: Entry) -> None:
        """Forget the copies of ``entry``. Doing it twice changes nothing."""
        self._kept.remove(entry.component.key)
        self._pinned.remove(entry.component.key)
        entry.copies = None
