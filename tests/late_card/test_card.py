"""What the simulated card does, so that what is shown on it means something."""

from __future__ import annotations

import pytest
import torch

from tests.late_card.card import ASKED_OF_BACKENDS, KIND, Card

MIB = 2**20


def pinned(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).pin_memory()


def test_arithmetic_is_the_processor_s(card: Card) -> None:
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
    expected = torch.nn.functional.conv2d(x, weight).softmax(1)
    assert torch.equal(torch.nn.functional.conv2d(x.to(KIND), weight.to(KIND)).softmax(1).cpu(), expected)


def test_fresh_memory_is_no_number(card: Card) -> None:
    assert torch.empty(3, device=KIND).isnan().all()


def test_tensors_of_two_devices_do_not_meet(card: Card) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2, device=KIND) + torch.ones(2)
    with pytest.raises(RuntimeError, match="same device"):
        torch.nn.functional.conv1d(torch.ones(1, 1, 4, device=KIND), torch.ones(1, 1, 2))
    assert (torch.ones(2, device=KIND) + torch.tensor(1.0)).sum().item() == 4


def test_its_memory_ends(card: Card) -> None:
    before_bytes = card.figure("allocated")  # what a test before this one still holds
    card.resize(3 * MIB + before_bytes, others_bytes=MIB)
    held = torch.empty(MIB, dtype=torch.uint8, device=KIND)
    with pytest.raises(torch.OutOfMemoryError, match="late_card out of memory"):
        torch.empty(2 * MIB, dtype=torch.uint8, device=KIND)
    assert (card.figure("allocated") - before_bytes, card.figure("free")) == (MIB, MIB)
    del held
    assert (card.figure("allocated"), card.figure("peak")) == (before_bytes, before_bytes + MIB)


def test_a_copy_comes_late_and_waiting_brings_it(card: Card) -> None:
    source, target, stream = pinned(1, 2), torch.empty(2, device=KIND), torch.Stream(KIND)
    with stream:
        target.copy_(source, non_blocking=True)
    source.fill_(7)  # too early: it changes what arrives
    stream.synchronize()
    assert target.tolist() == [7, 7]


def test_whoever_does_not_wait_is_found(the_card: Card) -> None:
    the_card.reset()
    source, target, stream = pinned(1, 2), torch.empty(2, device=KIND), torch.Stream(KIND)
    with stream:
        target.copy_(source, non_blocking=True)
    assert (target + 1).isnan().all()
    assert any("reads what is written" in hazard for hazard in the_card.hazards)


def test_an_event_puts_two_streams_in_order(card: Card) -> None:
    source, target = pinned(1, 2), torch.empty(2, device=KIND)
    copying, done = torch.Stream(KIND), torch.Event(KIND)
    with copying:
        target.copy_(source, non_blocking=True)
        done.record()
    torch.accelerator.current_stream().wait_event(done)
    assert (target + 1).tolist() == [2, 3]


def test_overwriting_what_is_still_read_is_found_though_it_went_well(the_card: Card) -> None:
    the_card.reset()
    source, target, copying = pinned(1, 2), torch.zeros(2, device=KIND), torch.Stream(KIND)
    copying.wait_stream(torch.accelerator.current_stream())
    assert (target + 1).tolist() == [1, 1]
    summed = target * 2
    with copying:
        target.copy_(source, non_blocking=True)
    copying.synchronize()
    assert summed.tolist() == [0, 0]
    assert any("overwrites what is read" in hazard for hazard in the_card.hazards)


def test_freeing_what_another_stream_still_copies_into_is_found(the_card: Card) -> None:
    the_card.reset()
    source, target, copying = pinned(1, 2), torch.empty(2, device=KIND), torch.Stream(KIND)
    with copying:
        target.copy_(source, non_blocking=True)
    del target
    assert any("freed while in use" in hazard for hazard in the_card.hazards)


def test_a_result_that_is_fetched_without_waiting_is_not_there_yet(card: Card) -> None:
    values = torch.arange(3.0, device=KIND)
    fetched = torch.full((3,), 9.0).pin_memory()
    fetched.copy_(values, non_blocking=True)
    assert fetched.tolist() == [9, 9, 9]
    torch.accelerator.synchronize()
    assert fetched.tolist() == [0, 1, 2]


def test_pinned_memory_is_rounded_kept_and_given_back(card: Card) -> None:
    kept = torch.empty(5 * MIB, dtype=torch.uint8).pin_memory()
    assert kept.is_pinned()
    assert card.figure("pinned") == 8 * MIB
    del kept
    assert card.figure("pinned") == 8 * MIB
    torch.accelerator.empty_host_cache()
    assert card.figure("pinned") == 0


def test_pinning_is_refused_as_cuda_refuses_it(card: Card) -> None:
    card.limit_pinned(4 * MIB)
    with pytest.raises(torch.AcceleratorError, match="CUDA error: out of memory"):
        torch.empty(5 * MIB, dtype=torch.uint8).pin_memory()


def test_bytes_are_counted_by_way_and_kind(card: Card) -> None:
    on_card = torch.ones(MIB, dtype=torch.uint8).to(KIND)
    torch.ones(MIB, dtype=torch.uint8).pin_memory().to(KIND)
    on_card.cpu()
    assert card.moved_bytes("to_card") == 2 * MIB
    assert card.moved_bytes("to_card_pageable") == MIB
    assert card.moved_bytes("to_host") == card.moved_bytes("to_host_pageable") == MIB


def test_it_has_no_name_that_cuda_has_not(card: Card) -> None:
    module = torch.get_device_module(KIND)
    ours = {name for name in vars(module) if not name.startswith("__")} - {ASKED_OF_BACKENDS}
    assert {name for name in ours if not hasattr(torch.cuda, name)} == set()
