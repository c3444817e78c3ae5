"""The engine's ``Cuda`` on the simulated card: budget, errors, pinned memory, and a card that others use too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTXVideo

from gpu_worker.engine import Cuda
from gpu_worker.engine.memory.copies import Copies
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import PINNED, RAM, Entry, Lease, Record
from gpu_worker.engine.weights.module_weights import Weights
from gpu_worker.worker_process import ALLOCATOR
from tests.engine.jobs import frames_of, render
from tests.engine.simulation import fake_component
from tests.engine.tight_engines import engine_on, job, on_device, spec
from tests.late_card.card import KIND, Card
from tests.late_card.conftest import EngineOnCard
from tests.late_card.short_text import SHORT_TEXT

MIB = 2**20


@pytest.fixture
def expected(repos: Path, tmp_path: Path) -> Any:
    """What the processor makes of the job."""
    return frames_of(
        render(engine_on(repos, tmp_path / "calm"), job("one", call=SHORT_TEXT), tmp_path / "calm-clip").clip
    )


def test_it_renders_what_the_processor_renders(engine_on_card: EngineOnCard, tmp_path: Path, expected: Any) -> None:
    engine = engine_on_card()
    done = render(engine, job("one", call=SHORT_TEXT), tmp_path)
    assert np.array_equal(frames_of(done.clip), expected)
    assert done.peak_bytes > sum(on_device(engine).values()) > 0


def test_what_asks_for_no_card_by_name_gets_the_worker_s(card: Card) -> None:
    device = Cuda(kind=KIND)
    assert card.chosen_index == 0
    assert (device.name, device.torch_device) == ("Late Card", torch.device(KIND, 0))
    assert device.budget_bytes == int(card.figure("total") * 0.95)


def test_the_budget_binds_activations_too(card: Card) -> None:
    card.resize(100 * MIB)
    device = Cuda(kind=KIND, budget_bytes=20 * MIB)
    held = torch.empty(19 * MIB, dtype=torch.uint8, device=KIND)
    with pytest.raises(torch.OutOfMemoryError) as raised:
        torch.empty(4 * MIB, dtype=torch.uint8, device=KIND)
    assert device.is_out_of_memory(raised.value)
    assert not device.is_fatal(raised.value)
    assert held.numel() == 19 * MIB


def test_the_driver_s_answer_counts_what_others_hold_once(card: Card) -> None:
    device = Cuda(kind=KIND)
    card.resize(100 * MIB)
    free_bytes = device.driver_free_bytes()
    assert free_bytes == 98 * MIB - card.figure("allocated")
    card.resize(100 * MIB, others_bytes=30 * MIB)
    assert device.driver_free_bytes() == free_bytes - 30 * MIB


# --- pinned memory ---


def entry(name: str, *sizes_bytes: int) -> Entry:
    """A component of that name in main memory, with one weight of each size."""
    module = torch.nn.Module()
    for index, size_bytes in enumerate(sizes_bytes):
        weight = torch.nn.Parameter(torch.ones(size_bytes, dtype=torch.uint8), requires_grad=False)
        module.register_parameter(f"weight_{index}", weight)
    return Entry(fake_component(name), module, Weights(module), Record(size_bytes=sum(sizes_bytes)))


def copies_of(card: Card, pinned_bytes: int) -> Copies:
    return Copies(Cuda(kind=KIND, host_bytes=2**30, pinned_bytes=pinned_bytes))


def test_pinned_memory_is_counted_as_it_is_rounded(card: Card) -> None:
    copies = copies_of(card, 16 * MIB)
    copies.keep(entry("transformer", 5 * MIB, 3 * MIB))
    assert copies.used_bytes == 8 * MIB
    assert copies.pinned_bytes == card.figure("pinned") == 12 * MIB
    copies.keep(other := entry("text_encoder", 5 * MIB))
    assert other.tier == RAM
    assert card.figure("pinned") == 12 * MIB


def residency_with(*names: str, **changes: Any) -> Residency:
    """Components of 8 MiB with pinned copies, the least recently used first."""
    device = Cuda(kind=KIND, host_bytes=2**30, pinned_bytes=64 * MIB)
    torch.accelerator.synchronize()  # PyTorch gives nothing back before the card is in use
    device.release_pinned()  # what tests before have left in the cache
    residency = Residency(device, lambda component: entry(component.name, 8 * MIB).module, **changes)
    for name in names:
        residency.acquire_copies(lease := Lease({name: fake_component(name)}), 0)
        residency.release(lease)
    return residency


def test_what_is_forgotten_is_given_back_to_the_system(card: Card) -> None:
    residency = residency_with("transformer")
    assert card.figure("pinned") == 8 * MIB
    assert residency.forget("transformer")
    assert (residency.host_used_bytes, card.figure("pinned")) == (0, 0)


def test_no_more_copies_are_dropped_than_the_next_component_takes(card: Card) -> None:
    free_bytes = 20 * MIB
    residency = residency_with(
        "text_encoder", "transformer", main_free_bytes=lambda: free_bytes - card.figure("pinned")
    )
    residency.records["vae"] = Record(size_bytes=8 * MIB)  # as known from a process before
    residency.acquire_copies(Lease({"vae": fake_component("vae")}), 0)
    assert set(residency.entries) == {"transformer", "vae"}


def test_a_denoiser_is_pinned_before_what_came_earlier_and_as_far_as_it_goes(card: Card) -> None:
    copies = copies_of(card, 16 * MIB)
    copies.keep(encoder := entry("text_encoder", 8 * MIB))
    assert encoder.tier == PINNED
    copies.keep(denoiser := entry("transformer", 8 * MIB, 4 * MIB, 8 * MIB))
    assert (encoder.tier, denoiser.tier) == (RAM, PINNED)
    assert [tensor.is_pinned() for tensor in denoiser.copies or ()] == [True, True, False]
    assert encoder.weights.tensors[0].sum().item() == 8 * MIB
    assert card.figure("pinned") == copies.pinned_bytes <= 16 * MIB


def test_a_system_that_refuses_to_pin_gets_pageable_copies(
    card: Card, engine_on_card: EngineOnCard, tmp_path: Path, expected: Any
) -> None:
    card.limit_pinned(MIB)
    engine = engine_on_card()
    assert np.array_equal(frames_of(render(engine, job("one", call=SHORT_TEXT), tmp_path).clip), expected)
    assert engine.device.pinned_bytes == 0
    assert card.figure("pinned") <= MIB


def test_settings_of_the_allocator_say_what_is_rounded(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cuda(kind=KIND).pinned_size_bytes(5 * MIB) == 8 * MIB
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", ALLOCATOR)
    device = Cuda(kind=KIND)
    assert (device.pinned_size_bytes(5 * MIB), device.pinned_size_bytes(700_000)) == (5 * MIB, MIB)
    torch._C._accelerator_setAllocatorSettings(ALLOCATOR)  # what PyTorch does with the variable when it starts
    try:
        held = torch.empty(5 * MIB, dtype=torch.uint8).pin_memory()
        assert card.figure("pinned") == device.pinned_size_bytes(held.nbytes)
    finally:
        torch._C._accelerator_setAllocatorSettings("pinned_max_round_threshold_mb:1000000")


# --- errors ---


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), DeviceFault.OUT_OF_MEMORY),
        (MemoryError(), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9"), DeviceFault.OUT_OF_MEMORY),
        (torch.AcceleratorError("CUDA error: out of memory"), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), DeviceFault.OUT_OF_MEMORY),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear"), DeviceFault.NO_KERNEL),
        (RuntimeError("GET was unable to find an engine to execute this computation"), DeviceFault.NO_KERNEL),
        (RuntimeError("No valid execution plans built."), DeviceFault.NO_KERNEL),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), DeviceFault.LOST),
        (RuntimeError("CUDA driver error: unknown error"), DeviceFault.LOST),
        (RuntimeError("Triton Error [CUDA]: device-side assert triggered"), DeviceFault.LOST),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceFault.LOST),
        (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED"), DeviceFault.LOST),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), DeviceFault.NONE),
        (ValueError("CUDA error in a prompt"), DeviceFault.NONE),
    ],
)
def test_each_error_says_what_has_to_be_done(error: Exception, fault: DeviceFault) -> None:
    assert fault_of(error) is fault


def test_a_shape_without_a_kernel_is_decoded_in_tiles(
    engine_on_card: EngineOnCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = AutoencoderKLLTXVideo.decode

    def only_in_tiles(vae: AutoencoderKLLTXVideo, *args: Any, **kwargs: Any) -> Any:
        if not vae.use_tiling:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED")
        return decode(vae, *args, **kwargs)

    monkeypatch.setattr(AutoencoderKLLTXVideo, "decode", only_in_tiles)
    assert render(engine_on_card(), job("one", call=SHORT_TEXT), tmp_path).facts.num_frames == 9


# --- a card that others use too ---


def test_a_render_is_laid_out_for_what_others_leave(
    card: Card, engine_on_card: EngineOnCard, tmp_path: Path, expected: Any
) -> None:
    alone = engine_on_card()
    alone.preload(spec("one"))
    together_bytes = alone.status().used_bytes
    alone.evict_all()
    card.resize(4 * together_bytes, others_bytes=4 * together_bytes - int(together_bytes * 0.96))
    engine = engine_on_card()
    assert engine.device.budget_bytes > 3 * together_bytes
    assert np.array_equal(frames_of(render(engine, job("one", call=SHORT_TEXT), tmp_path).clip), expected)


@pytest.mark.parametrize(("is_wsl", "cards", "share"), [(False, 1, 1.0), (False, 2, 0.5), (True, 1, 1.0)])
def test_cards_of_a_host_share_its_memory_and_under_windows_nothing_is_pinned(
    card: Card, monkeypatch: pytest.MonkeyPatch, is_wsl: bool, cards: int, share: float
) -> None:
    monkeypatch.setattr("gpu_worker.engine.memory.driver.is_wsl", lambda: is_wsl)
    monkeypatch.setattr("gpu_worker.engine.memory.driver.card_count", lambda: cards)
    monkeypatch.setattr("gpu_worker.engine.memory.main_memory.total_bytes", lambda: 1000 * MIB)
    device = Cuda(kind=KIND)
    assert device.host_bytes == int(600 * MIB * share)
    assert device.pinned_bytes == (0 if is_wsl else int(device.host_bytes * 0.4))


def test_memory_that_a_card_no_longer_needs_goes_back_to_the_host_too(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr("gpu_worker.engine.memory.main_memory.give_back_free_blocks", lambda: given_back.append(True))
    Cuda(kind=KIND).release_cached()
    assert given_back == [True]
