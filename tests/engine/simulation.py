"""A device that exists in figures only, and components whose weights are one tensor: residency without diffusers.

The clock is virtual and moves by bytes over bandwidth, so costs are exact and nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gpu_worker.engine.memory.planning import Policy, lru
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.storages import map_plain


@dataclass
class SimDevice:
    """A device with a budget, a bandwidth and a driver that may be told to lie or to run out of memory."""

    budget_bytes: int
    host_bytes: int = 0
    pinned_bytes: int = 0
    bandwidth: float = 1_000.0
    """Bytes per second that reach the device."""
    name: str = "sim"
    driver_version: str = ""
    torch_device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    now: float = 0.0
    brought_bytes: int = 0
    held_by_others_bytes: int = 0
    """Memory that the driver counts and the engine does not know of."""
    out_of_memory_after: int | None = None
    """How many more tensors can be brought before memory runs out, once."""
    driver: Callable[[], int] | None = None
    on_release: Callable[[], object] | None = None
    """Runs once, in the middle of the next eviction."""

    def clock(self) -> float:
        return self.now

    def bring(self, tensor: torch.Tensor, *, is_original_kept: bool) -> torch.Tensor:
        if self.out_of_memory_after is not None:
            if self.out_of_memory_after == 0:
                self.out_of_memory_after = None
                raise torch.OutOfMemoryError("scripted")
            self.out_of_memory_after -= 1
        size_bytes = tensor.untyped_storage().nbytes()
        self.brought_bytes += size_bytes
        self.now += size_bytes / self.bandwidth
        return map_plain(tensor, torch.clone)

    def pinned_size_bytes(self, size_bytes: int) -> int:
        return size_bytes

    def pin(self, tensor: torch.Tensor) -> torch.Tensor | None:
        return map_plain(tensor, torch.clone)

    def release_pinned(self) -> None: ...

    def synchronize(self) -> None: ...

    def driver_free_bytes(self) -> int | None:
        return self.driver() if self.driver else None

    def start_peak(self) -> bool:
        return True

    def peak_bytes(self) -> int:
        return 0

    def release_cached(self) -> None:
        happens, self.on_release = self.on_release, None
        if happens:
            happens()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, torch.OutOfMemoryError)

    def is_fatal(self, error: BaseException) -> bool:
        return False


@dataclass
class SimDisk:
    """Where fake components are read from, at a tenth of the device's bandwidth."""

    device: SimDevice
    sizes: dict[str, int]
    reads: list[str] = field(default_factory=list)
    fail_next: BaseException | None = None

    def load(self, component: Component) -> torch.nn.Module:
        if self.fail_next is not None:
            failure, self.fail_next = self.fail_next, None
            raise failure
        self.reads.append(component.key)
        self.device.now += self.sizes[component.key] / self.device.bandwidth * 10
        module = torch.nn.Module()
        for name, tensor in weights(component.key, self.sizes[component.key]).items():
            module.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
        return module


def weights(key: str, size_bytes: int) -> dict[str, torch.Tensor]:
    """Two tensors, ``size_bytes`` in all, with content that only ``key`` decides."""
    generator = torch.Generator().manual_seed(sum(key.encode()))
    half = size_bytes // 8
    return {name: torch.rand(n, generator=generator) for name, n in (("a", half), ("b", size_bytes // 4 - half))}


def has_weights_of(module: torch.nn.Module, key: str, size_bytes: int) -> bool:
    """Whether ``module`` holds exactly what was read for ``key``."""
    return all(torch.equal(module.get_parameter(name), t) for name, t in weights(key, size_bytes).items())


class FakeComponent(Component):
    """A component of no class: its size is known when it is loaded, not before."""

    @property
    def declared_bytes(self) -> int:
        return 0


def fake_component(key: str, name: str = "") -> Component:
    part = Part(name or key, Path("/nonexistent"), "diffusers", "Fake")
    return FakeComponent(key=key, part=part, dtype="float32")


def simulated(
    sizes: dict[str, int], *, budget_bytes: int, host_bytes: int = 0, policy: Policy = lru
) -> tuple[Residency, SimDisk, SimDevice]:
    device = SimDevice(budget_bytes, host_bytes)
    disk = SimDisk(device, sizes)
    return Residency(device, disk.load, policy=policy, clock=device.clock), disk, device
