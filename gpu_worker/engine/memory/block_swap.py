"""Block swap: of a model that does not fit, as many blocks as do stay on the device; the others come as they are due.

The copies in main memory are the masters and never change: a block comes by one copy over the bus, and leaves by
putting its master back, which moves nothing. Two blocks' worth of memory takes what comes, in turns: while one block
computes, the next is copied on a stream of its own. An event each way keeps them apart: a block computes after it has
arrived, and is overwritten after it has computed. Quantised tensors are copied part by part, whatever they are.

Of several components, such as the two experts of Wan, one at a time is there: each has the whole room in its turn, so
that experts of which one fits move once in a render and not in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import torch

from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Entry, Lease
from gpu_worker.engine.weights.storages import SWAPPED_AT_ONCE, blocks_of, map_plain, plain_tensors

_ALIGNED_BYTES = 512
"""Where tensors begin in a slot: what a card's own allocator gives."""


class BlockSwap:
    """The components of a lease, which lie in main memory, ready to compute: within ``on_device_bytes`` of the device,
    or the least that they can do with where that is more.

    A context: afterwards everything lies in main memory as before, also when the block was left by an exception.
    """

    def __init__(self, residency: Residency, lease: Lease, on_device_bytes: int = 0) -> None:
        self._residency, self._key = residency, f"block swap {id(self)}"
        entries = [residency.entries[c.key] for c in lease.components.values()]
        self._modules = [_SwappedModule(entry, residency.device, on_device_bytes) for entry in entries]
        self._present: _SwappedModule | None = None
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        try:
            for module in self._modules:
                self._hooks.append(module.root.register_forward_pre_hook(self._calling(module)))
            for module in self._modules[:1]:
                self._bring(module)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the device. Doing it twice changes nothing."""
        try:
            self._residency.device.synchronize()  # a copy under way must not outlive the memory that it goes to
        finally:
            for hook in self._hooks:
                hook.remove()
            self._hooks = []
            self._send_away()

    def _calling(self, module: _SwappedModule) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            if self._present is not module:
                self._residency.device.synchronize()
                self._send_away()
                self._bring(module)

        return _uncompiled(hook)

    def _bring(self, module: _SwappedModule) -> None:
        self._present = module  # from here on there is something to send away
        module.start()
        self._residency.device.synchronize()
        self._residency.count_beside(self._key, module.on_device)

    def _send_away(self) -> None:
        if self._present is not None:
            self._present.stop()
        self._present = None
        self._residency.count_beside(self._key, ())


@dataclass(slots=True, eq=False)
class _Part:
    """Weights by their index: those of one block, or all that belong to no block or to several."""

    module: torch.nn.Module | None
    indices: list[int] = field(default_factory=list)
    size_bytes: int = 0


def _parts_of(entry: Entry) -> list[_Part]:
    """The blocks of a component in the order in which they compute, and before them the rest."""
    assert entry.copies is not None  # whoever leased the copies has them
    rest, blocks = _Part(None), [_Part(block) for block in blocks_of(entry.module)]
    part_of = {id(owner): part for part in blocks if part.module is not None for owner in part.module.modules()}
    for index, copy in enumerate(entry.copies):
        owners = {id(found): found for found in (part_of.get(id(o), rest) for o in entry.weights.owners(index))}
        part = next(iter(owners.values())) if len(owners) == 1 else rest
        part.indices.append(index)
        part.size_bytes += sum(_aligned(plain.nbytes) for plain in plain_tensors(copy))
    return [rest, *blocks]


def _least_bytes(parts: Sequence[_Part]) -> int:
    """Rest and slots, with no block that stays."""
    rest, *blocks = parts
    return rest.size_bytes + min(SWAPPED_AT_ONCE, len(blocks)) * max((b.size_bytes for b in blocks), default=0)


@dataclass(slots=True, eq=False)
class _Slot:
    """Memory of the device for one block at a time."""

    memory: torch.Tensor
    arrived: torch.Event | None = None
    computed: torch.Event | None = None
    block: int | None = None
    """Which of the swapped blocks is there, or on its way."""


class _SwappedModule:
    def __init__(self, entry: Entry, device: Device, room_bytes: int) -> None:
        self.root = entry.module
        self._entry, self._device = entry, device
        rest, *blocks = parts = _parts_of(entry)
        most_bytes = max(_least_bytes(parts), room_bytes)
        for count in range(len(blocks) + 1):
            swapped = _spread(count, len(blocks))
            slot_bytes = max((blocks[i].size_bytes for i in swapped), default=0)
            staying = [block for i, block in enumerate(blocks) if i not in swapped]
            slots_bytes = min(count, SWAPPED_AT_ONCE) * slot_bytes
            self.on_device_bytes = rest.size_bytes + slots_bytes + sum(block.size_bytes for block in staying)
            if self.on_device_bytes <= most_bytes:
                break
        self._staying = [rest, *staying]
        self._swapped = [blocks[i] for i in sorted(swapped)]
        self._slot_bytes = slot_bytes
        self._slots: list[_Slot] = []
        self._laid: dict[tuple[int, int], _Laid] = {}
        self._hooks: list[Any] = []
        self._copying = None if device.torch_device.type == "cpu" else torch.Stream(device.torch_device)
        self.on_device: list[torch.Tensor] = []

    def start(self) -> None:
        weights, copies = self._entry.weights, self._entry.copies or []
        for index in (index for part in self._staying for index in part.indices):
            brought = self._device.bring(copies[index], is_original_kept=True)
            self.on_device.append(brought)
            weights.put_one(index, brought)
        for _ in self._swapped[:SWAPPED_AT_ONCE]:
            memory = torch.empty(self._slot_bytes, dtype=torch.uint8, device=self._device.torch_device)
            self._slots.append(_Slot(memory))
            self.on_device.append(memory)
        if self._copying is not None:
            self._copying.wait_stream(self._computing)
        for number, part in enumerate(self._swapped):
            assert part.module is not None
            self._hooks.append(part.module.register_forward_pre_hook(self._entering(number)))
            self._hooks.append(part.module.register_forward_hook(self._leaving(number)))
        for slot, number in zip(self._slots, range(len(self._swapped)), strict=False):
            self._fetch(number, slot)

    def stop(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._entry.weights.put(self._entry.copies or [])
        for held in (self._hooks, self._slots, self._laid, self.on_device):
            held.clear()

    @property
    def _computing(self) -> torch.Stream:
        stream: torch.Stream = torch.get_device_module(self._device.torch_device).current_stream()
        return stream

    def _entering(self, number: int) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            slot = next((slot for slot in self._slots if slot.block == number), None)
            if slot is None:  # calls came in another order than last time
                slot = max(self._slots, key=lambda s: self._calls_until(s.block, number))
                self._fetch(number, slot)
            if slot.arrived is not None:
                self._computing.wait_event(slot.arrived)
            self._put(number, self._laid_into(slot, number).tensors)

        return _uncompiled(hook)

    def _leaving(self, number: int) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            copies = self._entry.copies or []
            self._put(number, [copies[index] for index in self._swapped[number].indices])
            slot = next(slot for slot in self._slots if slot.block == number)
            if self._copying is not None:
                slot.computed = self._computing.record_event()
            there = {slot.block for slot in self._slots}
            due = [n for n in range(len(self._swapped)) if n not in there]
            if due:
                self._fetch(min(due, key=lambda n: self._calls_until(n, number)), slot)

        return _uncompiled(hook)

    def _calls_until(self, other: int | None, number: int) -> int:
        """How many blocks come between ``number`` and the next call of ``other``, which may be in the next forward."""
        return len(self._swapped) if other is None else (other - number - 1) % len(self._swapped)

    def _put(self, number: int, tensors: Sequence[torch.Tensor]) -> None:
        for index, tensor in zip(self._swapped[number].indices, tensors, strict=True):
            self._entry.weights.put_one(index, tensor)

    def _fetch(self, number: int, slot: _Slot) -> None:
        """Begin to copy a block into ``slot``, as soon as what was there has computed."""
        laid = self._laid_into(slot, number)
        slot.block = number
        if self._copying is None:
            laid.copy()
            return
        if slot.computed is not None:
            self._copying.wait_event(slot.computed)
        with self._copying:
            laid.copy()
        slot.arrived = self._copying.record_event()

    def _laid_into(self, slot: _Slot, number: int) -> _Laid:
        key = self._slots.index(slot), number
        if key not in self._laid:
            copies = self._entry.copies or []
            self._laid[key] = _Laid(slot.memory, [copies[index] for index in self._swapped[number].indices])
        return self._laid[key]


class _Laid:
    """The tensors of a block as they lie in the memory of a slot."""

    def __init__(self, memory: torch.Tensor, copies: Iterable[torch.Tensor]) -> None:
        self._memory, self._end_bytes = memory, 0
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.tensors = [self._in_slot(copy) for copy in copies]

    def copy(self) -> None:
        for there, master in self._pairs:
            there.copy_(master, non_blocking=True)

    def _in_slot(self, copy: torch.Tensor) -> torch.Tensor:
        laid = map_plain(copy, self._view)
        kind = getattr(copy, "quant_type", None)  # GGUF's parameters are plain tensors that know how they are packed
        if kind is not None:
            make: Any = type(copy)  # a parameter class of diffusers' own
            packed: torch.Tensor = make(laid, quant_type=kind)
            return packed
        return torch.nn.Parameter(laid, requires_grad=False) if isinstance(copy, torch.nn.Parameter) else laid

    def _view(self, plain: torch.Tensor) -> torch.Tensor:
        plain = plain.detach().as_subclass(torch.Tensor)
        begin_bytes, self._end_bytes = self._end_bytes, self._end_bytes + _aligned(plain.nbytes)
        there = self._memory[begin_bytes : begin_bytes + plain.nbytes].view(plain.dtype)
        span = 1 + sum((size - 1) * stride for size, stride in zip(plain.shape, plain.stride(), strict=True))
        is_dense = span == plain.numel()
        there = there.as_strided(plain.shape, plain.stride()) if is_dense else there.view(plain.shape)
        self._pairs.append((there, plain))
        return there


def _uncompiled(hook: Callable[..., None]) -> Callable[..., None]:
    """Return ``hook`` as compiled blocks call it: as it is written."""
    disable: Any = torch.compiler.disable  # it has no types
    disabled: Callable[..., None] = disable(hook)
    return disabled


def _spread(count: int, total: int) -> set[int]:
    """``count`` of ``total`` blocks at equal distances, so that the copy of each has time while the others compute."""
    return {(2 * k + 1) * total // (2 * count) for k in range(count)}


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNED_BYTES) * _ALIGNED_BYTES
