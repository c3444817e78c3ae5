"""Weights kept in main memory, so that a component that left the device comes back without the disk."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from gpu_worker.contract import Stage
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.residents import DEVICE, PINNED, RAM, Entry
from gpu_worker.engine.weights.storages import ByteLedger, map_plain, storages_of
from gpu_worker.families.memory import stage_of


class Copies:
    """The copies in main memory, within ``Device.host_bytes``; pinned as far as ``Device.pinned_bytes`` goes.

    The denoisers are pinned first, since block swap copies them in every step, and part by part: each pinned tensor is
    one that is copied while the device computes. Other components are pinned whole or not at all.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._kept = ByteLedger()
        self._pinned = ByteLedger(device.pinned_size_bytes)
        self._entries: dict[str, Entry] = {}

    @property
    def used_bytes(self) -> int:
        return self._kept.used_bytes

    @property
    def pinned_bytes(self) -> int:
        """Main memory that is pinned, as it is rounded up for that."""
        return self._pinned.used_bytes

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
        key = entry.component.key
        self._entries[key] = entry
        self._set(entry, self._pin(entry))
        entry.tier = self.tier(key)

    def drop(self, entry: Entry) -> None:
        """Forget the copies of ``entry``. Doing it twice changes nothing."""
        key = entry.component.key
        was_pinned = key in self._pinned
        for ledger in (self._kept, self._pinned):
            ledger.remove(key)
        self._entries.pop(key, None)
        entry.copies = None
        if was_pinned:
            self._device.release_pinned()

    def _set(self, entry: Entry, tensors: list[torch.Tensor]) -> None:
        self._kept.add(entry.component.key, tensors)
        entry.copies = tensors
        if entry.tier != DEVICE:
            entry.weights.put(tensors)

    def _pin(self, entry: Entry) -> list[torch.Tensor]:
        """The weights of ``entry``, pinned as far as they may be."""
        tensors, is_denoiser = entry.weights.tensors, _is_denoiser(entry)
        if is_denoiser:
            self._unpin_others(self._pinned_size_bytes(tensors))
        elif self._pinned.used_bytes + self._pinned_size_bytes(tensors) > self._device.pinned_bytes:
            return tensors
        may_take_bytes = self._device.pinned_bytes - self._pinned.used_bytes
        pinned = []
        for index, tensor in enumerate(tensors):
            may_take_bytes -= self._pinned_size_bytes([tensor])
            copy = self._device.pin(tensor) if may_take_bytes >= 0 else None
            if copy is None:
                break
            tensors[index] = copy
            entry.weights.put_one(index, copy)  # one by one, so that the memory of both is never held at once
            pinned.append(copy)
        if pinned:
            self._pinned.add(entry.component.key, pinned)
        return tensors

    def _unpin_others(self, size_bytes: int) -> None:
        """Lay copies of what is no denoiser into ordinary memory until ``size_bytes`` more may be pinned."""
        for key, other in list(self._entries.items()):
            if self._pinned.used_bytes + size_bytes <= self._device.pinned_bytes:
                break
            if key in self._pinned and not _is_denoiser(other) and other.copies is not None:
                self._pinned.remove(key)
                self._set(other, [map_plain(copy, torch.clone) for copy in other.copies])
                if other.tier == PINNED:
                    other.tier = RAM
        self._device.release_pinned()

    def _pinned_size_bytes(self, tensors: Iterable[torch.Tensor]) -> int:
        return sum(map(self._device.pinned_size_bytes, storages_of(tensors).values()))


def _is_denoiser(entry: Entry) -> bool:
    return stage_of(entry.component.name) is Stage.DENOISING
