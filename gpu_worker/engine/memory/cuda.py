"""One card, driven through the module that PyTorch has for its kind: ``torch.cuda``, or that of the tests' own card."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gpu_worker.engine.memory import driver, main_memory
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.weights.storages import map_plain
from gpu_worker.families.memory import usable_bytes

log = logging.getLogger(__name__)

HOST_FRACTION = 0.6
"""Part of main memory that keeps copies of weights when cards do the work, of all cards of the host together."""
PINNED_FRACTION = 0.4
"""Part of those copies that may be pinned. Pinned pages cannot be swapped out or reclaimed."""
FRAGMENTS_FRACTION = 0.02
"""Part of a card that the allocator loses between blocks. The driver's context is already missing from what is free."""


@dataclass(slots=True)
class Cuda:
    """One CUDA card. Without figures it is used up to its reserve, beside copies in a good part of main memory."""

    index: int = 0
    budget_bytes: int = 0
    host_bytes: int = -1
    pinned_bytes: int = -1
    name: str = ""
    driver_version: str = ""
    kind: str = "cuda"
    _module: Any = field(default=None, repr=False)
    _rounded_up_to_bytes: int = field(default=0, repr=False)
    _start_bytes: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        self._module = torch.get_device_module(self.kind)
        if not self._module.is_available():
            raise cuda_missing()
        self._module.set_device(self.index)  # what asks for no card by name, streams among it, takes the current one
        card = self._module.get_device_properties(self.index)
        self.name = self.name or card.name
        if self.kind == "cuda":
            self.driver_version = f"{driver.driver_version() or 'unknown'}, PyTorch's CUDA is {torch.version.cuda}"
            if problem := driver.cudnn_problem(driver.cudnn_version()):
                log.warning("%s", problem)
        most = usable_bytes(card.total_memory)
        self.budget_bytes = min(self.budget_bytes, most) if self.budget_bytes else most
        # Where the driver would rather spill into main memory than refuse, as under WSL, this makes it refuse.
        limit_bytes = self.budget_bytes + card.total_memory * FRAGMENTS_FRACTION
        self._module.set_per_process_memory_fraction(min(1.0, limit_bytes / card.total_memory), self.index)
        self._rounded_up_to_bytes = rounded_up_to_bytes(os.environ)
        if self.host_bytes < 0:
            self.host_bytes = int(main_memory.total_bytes() * HOST_FRACTION) // driver.card_count()
        if self.pinned_bytes < 0:
            self.pinned_bytes = 0 if driver.is_wsl() else int(self.host_bytes * PINNED_FRACTION)

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.kind, self.index)

    def pinned_size_bytes(self, size_bytes: int) -> int:
        return 1 << max(0, size_bytes - 1).bit_length() if size_bytes <= self._rounded_up_to_bytes else size_bytes

    def pin(self, tensor: torch.Tensor) -> torch.Tensor | None:
        try:
            return map_plain(tensor.detach(), torch.Tensor.pin_memory)
        except RuntimeError as error:
            if not self.is_out_of_memory(error):
                raise
            log.warning("No more memory can be pinned; copies of weights stay pageable from here on: %s", error)
            self.pinned_bytes = 0
            return None

    def release_pinned(self) -> None:
        torch.accelerator.empty_host_cache()

    def bring(self, tensor: torch.Tensor, *, is_original_kept: bool) -> torch.Tensor:
        return map_plain(tensor, lambda plain: plain.to(self.torch_device, non_blocking=True))

    def synchronize(self) -> None:
        self._module.synchronize(self.index)

    def driver_free_bytes(self) -> int | None:
        free, total = self._module.mem_get_info(self.index)
        reusable = self._module.memory_reserved(self.index) - self._module.memory_allocated(self.index)
        return int(free + reusable - total * FRAGMENTS_FRACTION)

    def start_peak(self) -> bool:
        self._module.reset_peak_memory_stats(self.index)
        self._start_bytes = self._module.memory_allocated(self.index)
        return True

    def peak_bytes(self) -> int:
        return max(0, int(self._module.max_memory_allocated(self.index)) - self._start_bytes)

    def release_cached(self) -> None:
        self._module.empty_cache()
        main_memory.give_back_free_blocks()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return fault_of(error) is DeviceFault.OUT_OF_MEMORY

    def is_fatal(self, error: BaseException) -> bool:
        return fault_of(error) is DeviceFault.LOST


def cuda_missing(seen: str = "") -> RuntimeError:
    """What a worker says that cannot have the card it is for."""
    return RuntimeError(
        f"{seen}No CUDA device is visible to PyTorch: {driver.why_cuda_is_missing()}. "
        "Or set GPU_WORKER_DEVICE=cpu to render on the processor."
    )


def rounded_up_to_bytes(environment: Mapping[str, str]) -> int:
    """Up to which size PyTorch rounds what it pins up to a power of two: any, unless its settings name one."""
    settings = environment.get("PYTORCH_ALLOC_CONF") or environment.get("PYTORCH_CUDA_ALLOC_CONF") or ""
    match = re.search(r"pinned_max_round_threshold_mb:(\d+)", settings)
    return int(match[1]) * 2**20 if match else 2**63
