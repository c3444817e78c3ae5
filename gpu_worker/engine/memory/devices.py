"""Where a render runs: a CUDA card, or the CPU with a budget in bytes, behind one small protocol.

The CPU is not a mock: the same residency, quantisation and pipelines run on it, and only speed differs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch

from gpu_worker.engine.errors import FatalDeviceError, OutOfMemory
from gpu_worker.engine.memory import driver, main_memory
from gpu_worker.engine.memory.cuda import Cuda, cuda_missing
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.sizes import parse_bytes, show_bytes
from gpu_worker.engine.weights.storages import map_plain


class Device(Protocol):
    """What the engine asks of the place where it computes."""

    @property
    def name(self) -> str: ...

    @property
    def driver_version(self) -> str:
        """What drives it, with its version; empty where nothing does."""
        ...

    @property
    def torch_device(self) -> torch.device: ...

    @property
    def budget_bytes(self) -> int:
        """Most bytes that weights and activations may take together."""
        ...

    @property
    def host_bytes(self) -> int:
        """Most bytes of main memory that may keep copies of weights."""
        ...

    @property
    def pinned_bytes(self) -> int:
        """How many of ``host_bytes`` may be pinned."""
        ...

    def pinned_size_bytes(self, size_bytes: int) -> int:
        """What pinning ``size_bytes`` takes of main memory."""
        ...

    def pin(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """``tensor`` in pinned memory, or None where the system refuses; no more is asked for then."""
        ...

    def release_pinned(self) -> None:
        """Give back pinned memory that no tensor uses."""
        ...

    def bring(self, tensor: torch.Tensor, *, is_original_kept: bool) -> torch.Tensor:
        """``tensor`` on this device; in memory of its own when the original is kept."""
        ...

    def synchronize(self) -> None:
        """Wait until everything that was asked of the device is done."""
        ...

    def driver_free_bytes(self) -> int | None:
        """Bytes that an allocation could get right now, or None where no driver says so."""
        ...

    def start_peak(self) -> bool:
        """Begin to measure the most memory held at once. False where what was held before counts too."""
        ...

    def peak_bytes(self) -> int:
        """Most bytes held since ``start_peak``, above what was held at that moment."""
        ...

    def release_cached(self) -> None:
        """Give back memory that no tensor uses."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool: ...

    def is_fatal(self, error: BaseException) -> bool:
        """Whether the process cannot use the device any more after ``error``."""
        ...


@dataclass(slots=True)
class Cpu:
    """The processor, with ``budget_bytes`` of main memory treated like the memory of a card.

    Copies beside that budget are kept only where ``host_bytes`` says so: they lie in the same memory.
    """

    budget_bytes: int
    host_bytes: int = 0
    pinned_bytes: int = 0
    name: str = "cpu"
    driver_version: str = ""
    _start_bytes: int = field(default=0, repr=False)

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")

    def bring(self, tensor: torch.Tensor, *, is_original_kept: bool) -> torch.Tensor:
        return map_plain(tensor, torch.clone) if is_original_kept else tensor

    def pinned_size_bytes(self, size_bytes: int) -> int:
        return size_bytes

    def pin(self, tensor: torch.Tensor) -> torch.Tensor | None:
        return None

    def release_pinned(self) -> None:
        """Nothing is pinned."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def driver_free_bytes(self) -> int | None:
        return None

    def start_peak(self) -> bool:
        self.release_cached()  # or what it keeps of the stage before would hide what this one takes
        self._start_bytes, is_anew = main_memory.forget_peak()
        return is_anew

    def peak_bytes(self) -> int:
        return max(0, main_memory.peak_bytes() - self._start_bytes)

    def release_cached(self) -> None:
        main_memory.give_back_free_blocks()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return fault_of(error) is DeviceFault.OUT_OF_MEMORY

    def is_fatal(self, error: BaseException) -> bool:
        return False


@contextmanager
def as_engine_errors(device: Device) -> Iterator[None]:
    """Raise what ends for want of memory as ``OutOfMemory``, and what loses the device as ``FatalDeviceError``."""
    try:
        yield
    except Exception as error:
        if device.is_out_of_memory(error):
            raise OutOfMemory(
                f"{device.name} with a budget of {show_bytes(device.budget_bytes)} ran out of memory"
            ) from error
        if device.is_fatal(error):
            raise FatalDeviceError(f"{device.name}: {error}") from error
        raise


def fastest_kind() -> str:
    """``cuda`` on a machine with a card, else ``cpu``.

    Raises:
        RuntimeError: there is a card that PyTorch cannot use. To render on the processor then is for people to ask.
    """
    if torch.cuda.is_available():
        return "cuda"
    if card := driver.visible_card():
        raise cuda_missing(f"There is a card ({card}). ")
    return "cpu"


def device_from_environment(environment: Mapping[str, str] | None = None) -> Device:
    """The device that the environment names.

    ``GPU_WORKER_DEVICE`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; ``GPU_WORKER_BUDGET`` a size such as ``6GiB``;
    ``GPU_WORKER_RAM`` the main memory that keeps copies of weights. Without a budget a card is used up to its reserve,
    and the CPU up to half of the memory that is free at start. Without the last, a card's copies may take its share of
    ``HOST_FRACTION`` of main memory and the CPU keeps none.

    Raises:
        ValueError: one of them has a value that cannot work; the message names it.
        RuntimeError: a CUDA device was asked for or is in the machine, and PyTorch cannot use it.
    """
    environment = os.environ if environment is None else environment
    wanted = environment.get("GPU_WORKER_DEVICE", "").strip() or "auto"
    budget_bytes = _size(environment, "GPU_WORKER_BUDGET")
    host_bytes = _size(environment, "GPU_WORKER_RAM")
    if wanted == "auto":
        wanted = fastest_kind()
    if wanted == "cpu":
        return Cpu(budget_bytes or main_memory.free_bytes() // 2, host_bytes or 0)
    match = re.fullmatch(r"cuda(?::(\d+))?", wanted)
    if match is None:
        raise ValueError(f"GPU_WORKER_DEVICE={wanted!r}: write auto, cpu, cuda or cuda:1")
    return Cuda(int(match[1] or 0), budget_bytes or 0, -1 if host_bytes is None else host_bytes)


def _size(environment: Mapping[str, str], variable: str) -> int | None:
    text = environment.get(variable, "").strip()
    try:
        return parse_bytes(text) if text else None
    except ValueError as problem:
        raise ValueError(f"{variable}: {problem}") from None
