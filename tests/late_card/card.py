"""The simulated card as tests handle it, and as ``torch.late_card``, the module that PyTorch looks things up in."""

from __future__ import annotations

import gc
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch.utils.backend_registration import generate_methods_for_privateuse1_backend, rename_privateuse1_backend

KIND = "late_card"
NO_LIMIT = 2**62
ASKED_OF_BACKENDS = "get_amp_supported_dtype"
"""What PyTorch asks of every backend but its own."""
_TOTAL_BYTES = 2**33


class Card:
    """One simulated card."""

    def __init__(self, extension: Any) -> None:
        self._extension = extension
        self.chosen_index: int | None = None
        rename_privateuse1_backend(KIND)
        register: Any = torch._register_device_module
        register(KIND, torch_module(self, extension))
        generate_methods_for_privateuse1_backend(for_tensor=True, for_module=True, for_storage=True)
        self.reset()

    def reset(self, total_bytes: int = _TOTAL_BYTES) -> None:
        """Forget what happened before. Tensors of others that are still there keep their memory."""
        gc.collect()  # tensors that the test before left in a cycle lie on the card until then
        self.chosen_index = None
        self._extension.forget()
        self.resize(total_bytes)
        self.limit(NO_LIMIT)
        self.limit_pinned(NO_LIMIT)
        torch.accelerator.empty_host_cache()
        self._extension.reset_peak()

    def resize(self, total_bytes: int, *, others_bytes: int = 0) -> None:
        """Its memory, of which other processes hold ``others_bytes``."""
        self._extension.set_total(total_bytes)
        self._extension.set_others(others_bytes)

    def limit(self, size_bytes: int) -> None:
        """From how many bytes on an allocation fails."""
        self._extension.set_limit(size_bytes)

    def limit_pinned(self, size_bytes: int) -> None:
        """From how many bytes on pinning fails, those included that are free and kept."""
        self._extension.set_pinned_limit(size_bytes)

    @property
    def hazards(self) -> list[str]:
        """Accesses to its memory that nothing put in order."""
        return list(self._extension.hazards())

    def moved_bytes(self, way: str) -> int:
        """Bytes copied ``to_card`` or ``to_host`` so far, or of them the pageable ones: ``to_card_pageable``."""
        return int(self._extension.moved().get(way, 0))

    def figure(self, name: str) -> int:
        """Bytes ``allocated``, ``peak``, ``total``, ``free``, ``pinned`` or ``pinned_peak``."""
        return int(self._extension.figures()[name])


def torch_module(card: Card, extension: Any) -> ModuleType:
    """What PyTorch and the engine find in ``torch.late_card``: for the engine nothing that ``torch.cuda`` has not."""
    figures = extension.figures

    def set_device(device: Any) -> None:
        card.chosen_index = torch.device(device).index if isinstance(device, str | torch.device) else int(device)

    def limit_fraction(fraction: float, device: Any = None) -> None:
        extension.set_limit(int(figures()["total"] * fraction))

    module = ModuleType(f"torch.{KIND}")
    for name, function in {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "current_stream": lambda device=None: torch.accelerator.current_stream(),
        "set_device": set_device,
        "get_device_properties": lambda device=None: SimpleNamespace(name="Late Card", total_memory=figures()["total"]),
        "mem_get_info": lambda device=None: (figures()["free"], figures()["total"]),
        "memory_allocated": lambda device=None: figures()["allocated"],
        "memory_reserved": lambda device=None: figures()["allocated"],
        "max_memory_allocated": lambda device=None: figures()["peak"],
        "reset_peak_memory_stats": lambda device=None: extension.reset_peak(),
        "set_per_process_memory_fraction": limit_fraction,
        "empty_cache": lambda: None,
        "synchronize": lambda device=None: extension.synchronize(),
        "manual_seed": lambda seed: None,
        "manual_seed_all": lambda seed: None,
        "get_rng_state": lambda device=None: torch.empty(0, dtype=torch.uint8),
        "set_rng_state": lambda state, device=None: None,
        "_is_in_bad_fork": lambda: False,
        ASKED_OF_BACKENDS: lambda: [torch.bfloat16, torch.float16],
    }.items():
        setattr(module, name, function)
    return module
