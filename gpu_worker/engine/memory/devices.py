"""Where a render runs: a CUDA card, or the CPU with a budget in bytes, behind one small protocol.

The CPU is not a mock: the same residency, quantisation and pipelines run on it, and only speed differs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from gpu_worker.engine import driver
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.sizes import parse_bytes
from gpu_worker.engine.weights.storages import map_plain
from gpu_worker.families.memory import RESERVE_FRACTION, usable_bytes

HOST_FRACTION = 0.6
"""Part of main memory that keeps copies of weights when a card does the work."""
PINNED_FRACTION = 0.4
"""Part of those copies that may be pinned. Pinned pages cannot be swapped out or reclaimed."""


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


def _is_failed_host_allocation(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


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
        return isinstance(error, torch.OutOfMemoryError) or _is_failed_host_allocation(error)

    def is_fatal(self, error: BaseException) -> bool:
        return False


@dataclass(slots=True)
class Cuda:
    """One CUDA card. Without figures it is used up to its reserve, beside copies in a good part of main memory."""

    index: int = 0
    budget_bytes: int = 0
    host_bytes: int = -1
    pinned_bytes: int = -1
    name: str = ""
    driver_version: str = ""
    _start_bytes: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if not torch.cuda.is_available():
            raise _cuda_missing()
        card = torch.cuda.get_device_properties(self.index)
        self.name = self.name or card.name
        self.driver_version = f"{driver.driver_version() or 'unknown'}, PyTorch's CUDA is {torch.version.cuda}"
        most = usable_bytes(card.total_memory)
        self.budget_bytes = min(self.budget_bytes, most) if self.budget_bytes else most
        if self.host_bytes < 0:
            self.host_bytes = int(main_memory.total_bytes() * HOST_FRACTION)
        if self.pinned_bytes < 0:
            self.pinned_bytes = int(self.host_bytes * PINNED_FRACTION)

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cuda", self.index)

    def bring(self, tensor: torch.Tensor, *, is_original_kept: bool) -> torch.Tensor:
        return map_plain(tensor, lambda plain: plain.to(self.torch_device, non_blocking=True))

    def synchronize(self) -> None:
        torch.cuda.synchronize(self.index)

    def driver_free_bytes(self) -> int | None:
        free, total = torch.cuda.mem_get_info(self.index)
        reusable = torch.cuda.memory_reserved(self.index) - torch.cuda.memory_allocated(self.index)
        return int(free + reusable - total * RESERVE_FRACTION)

    def start_peak(self) -> bool:
        torch.cuda.reset_peak_memory_stats(self.index)
        self._start_bytes = torch.cuda.memory_allocated(self.index)
        return True

    def peak_bytes(self) -> int:
        return max(0, int(torch.cuda.max_memory_allocated(self.index)) - self._start_bytes)

    def release_cached(self) -> None:
        torch.cuda.empty_cache()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, torch.OutOfMemoryError) or _is_failed_host_allocation(error)

    def is_fatal(self, error: BaseException) -> bool:
        if self.is_out_of_memory(error):
            return False
        return isinstance(error, torch.AcceleratorError) or (
            isinstance(error, RuntimeError)
            and re.search(r"CUDA error|cuDNN error|CUBLAS_STATUS", str(error)) is not None
        )


def fastest_kind() -> str:
    """``cuda`` on a machine with a card, else ``cpu``.

    Raises:
        RuntimeError: there is a card that PyTorch cannot use. To render on the processor then is for people to ask.
    """
    if torch.cuda.is_available():
        return "cuda"
    if card := driver.visible_card():
        raise _cuda_missing(f"There is a card ({card}). ")
    return "cpu"


def _cuda_missing(seen: str = "") -> RuntimeError:
    return RuntimeError(
        f"{seen}No CUDA device is visible to PyTorch: {driver.why_cuda_is_missing()}. "
        "Or set GPU_WORKER_DEVICE=cpu to render on the processor."
    )


def device_from_environment(environment: Mapping[str, str] | None = None) -> Device:
    """The device that the environment names.

    ``GPU_WORKER_DEVICE`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; ``GPU_WORKER_BUDGET`` a size such as ``6GiB``;
    ``GPU_WORKER_RAM`` the main memory that keeps copies of weights. Without a budget a card is used up to its reserve,
    and the CPU up to half of the memory that is free at start. Without the last, a card's copies may take
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
