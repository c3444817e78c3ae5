"""Checks of a card's memory: what its context takes, pinning, copies, and the error at its budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from gpu_worker.check.report import Check, Skipped
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.sizes import show_bytes

_NO_CARD = "the processor's memory is main memory"


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is pinned and copied."""

    pinned_bytes: tuple[int, ...] = (2**30, 8 * 2**30)
    copied_bytes: int = 2**30


def memory_checks(device: Device, amounts: Amounts) -> Iterator[Check]:
    yield Check(
        "context",
        lambda: _held_before(device),
        "Run nvidia-smi: end what else holds this card, or set GPU_WORKER_BUDGET to what is left.",
    )
    for size_bytes in amounts.pinned_bytes:
        yield Check(
            f"pin {show_bytes(size_bytes)}",
            partial(_pin, device, size_bytes),
            "Raise the limit of locked memory (ulimit -l, or the container's); until then copies are slow.",
        )
    yield Check(
        "copies",
        lambda: _copy_rates(device, amounts.copied_bytes),
        "Look at the card's PCIe link (nvidia-smi -q) and at the main memory that is free.",
    )
    yield Check(
        "out of memory",
        lambda: _overflow(device),
        "The driver spills into main memory instead of refusing: turn its system memory fallback off.",
    )


def _is_card(device: Device) -> bool:
    return device.torch_device.type != "cpu"


def _held_before(device: Device) -> str:
    if not _is_card(device):
        raise Skipped(_NO_CARD)
    module = torch.get_device_module(device.torch_device.type)
    torch.zeros(1, device=device.torch_device)
    free_bytes, total_bytes = module.mem_get_info(device.torch_device.index)
    held_bytes = total_bytes - free_bytes - module.memory_reserved(device.torch_device.index)
    if total_bytes - held_bytes < device.budget_bytes:
        raise RuntimeError(
            f"{show_bytes(held_bytes)} of {show_bytes(total_bytes)} are held by contexts and by others, which leaves "
            f"less than the budget of {show_bytes(device.budget_bytes)}"
        )
    return f"{show_bytes(held_bytes)} of {show_bytes(total_bytes)}, with what others hold"


def _pin(device: Device, size_bytes: int) -> str:
    if not _is_card(device):
        raise Skipped(_NO_CARD)
    if size_bytes > device.pinned_bytes:
        raise Skipped(f"a worker pins {show_bytes(device.pinned_bytes)} at most on this host")
    if 2 * size_bytes > main_memory.free_bytes():
        raise Skipped(f"{show_bytes(main_memory.free_bytes())} of main memory are free")
    began = time.perf_counter()
    pinned = torch.empty(size_bytes, dtype=torch.uint8, pin_memory=True)
    seconds = time.perf_counter() - began
    if not pinned.is_pinned():
        raise RuntimeError("the memory that was given is not pinned")
    del pinned
    device.release_pinned()
    return f"in {seconds:.2f} s"


def _copy_rates(device: Device, size_bytes: int) -> str:
    """Bytes a second to the card, and whether all of them arrive."""
    if not _is_card(device):
        raise Skipped(_NO_CARD)
    pageable = torch.arange(size_bytes // 8, dtype=torch.int64).view(torch.uint8)
    rates = []
    sources = {"pageable": pageable}
    if size_bytes <= device.pinned_bytes:
        sources["pinned"] = pageable.pin_memory()
    for name, source in sources.items():
        device.bring(source, is_original_kept=True)  # the first one also asks for the memory
        device.synchronize()
        began = time.perf_counter()
        arrived = device.bring(source, is_original_kept=True)
        device.synchronize()
        seconds = time.perf_counter() - began
        if not torch.equal(arrived.cpu(), pageable):
            raise RuntimeError(f"bytes copied from {name} memory arrive changed")
        rates.append(f"{name} {size_bytes / 2**30 / seconds:.2f} GiB/s")
    device.release_pinned()
    return ", ".join(rates)


def _overflow(device: Device) -> str:
    if not _is_card(device):
        raise Skipped(_NO_CARD)
    asked_bytes = int(device.budget_bytes * 1.1)
    try:
        torch.empty(asked_bytes, dtype=torch.uint8, device=device.torch_device)
    except Exception as error:
        if not device.is_out_of_memory(error):
            raise
    else:
        raise RuntimeError(
            f"{show_bytes(asked_bytes)} were given, beyond the budget of {show_bytes(device.budget_bytes)}"
        )
    if torch.ones(8, device=device.torch_device).sum().item() != 8:
        raise RuntimeError("after it the card calculates wrongly")
    return f"is said beyond {show_bytes(device.budget_bytes)}, and the card goes on"
