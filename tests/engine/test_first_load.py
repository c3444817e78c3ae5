"""The first load of quantised weights: tensor by tensor, within main memory, and once for all workers of a host."""

from __future__ import annotations

import fcntl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_worker.engine import DoesNotFit
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.weights import loading
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.module_weights import Weights
from gpu_worker.engine.weights.quantisation import QuantisedStore, quantise, quantise_weight
from gpu_worker.engine.weights.tensor_files import StoredTensor
from tests.engine.simulation import SimDevice, SimDisk, fake_component
from tests.engine.test_quantisation import component_of, dequantised, loaded, written

PARTS = pytest.mark.parametrize("name", ["transformer", "text_encoder"])


@PARTS
def test_a_weight_is_gone_before_the_next_is_read(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    quantised: list[weakref.ref[torch.Tensor]] = []
    left: list[int] = []
    read = StoredTensor.read

    def watched_read(stored: StoredTensor, *args: Any) -> torch.Tensor:
        left.append(sum(one() is not None for one in quantised))
        return read(stored, *args)

    def watched(weight: torch.Tensor, *how: Any) -> torch.Tensor:
        quantised.append(weakref.ref(weight))
        return quantise_weight(weight, *how)

    monkeypatch.setattr(StoredTensor, "read", watched_read)
    monkeypatch.setattr(loading, "quantise_weight", watched)
    loaded(component_of(repos, tmp_path, name), tmp_path)
    assert len(quantised) > 5
    assert max(left) <= 1  # the one that the caller has not let go of yet


@PARTS
@pytest.mark.parametrize("quantisation", ["int8", "fp8", "nf4"])
def test_it_is_what_quantising_the_whole_makes(repos: Path, tmp_path: Path, name: str, quantisation: str) -> None:
    component = component_of(repos, tmp_path, name, quantisation=quantisation)
    expected = quantise(loaded(component_of(repos, tmp_path, name, quantisation="none"), tmp_path), component)
    found = loaded(component, tmp_path)
    wanted, made = Weights(expected), Weights(found)
    assert made.names == wanted.names
    for one, other, place in zip(made.tensors, wanted.tensors, made.names, strict=True):
        assert type(one.data) is type(other.data), place
        assert torch.equal(dequantised(one.data), dequantised(other.data)), place
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_one_worker_of_a_host_quantises_a_file_at_a_time(repos: Path, tmp_path: Path) -> None:
    component, store = component_of(repos, tmp_path, "transformer"), QuantisedStore(tmp_path)
    with (
        store.made_by_one(component),
        store.file(component).with_suffix(".lock").open() as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with store.file(component).with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_who_waited_takes_what_the_other_made(repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    component = component_of(repos, tmp_path, "transformer")

    class Waiting(QuantisedStore):
        @contextmanager
        def made_by_one(self, component: Component) -> Iterator[None]:
            loaded(component, tmp_path)
            monkeypatch.setattr(Loader, "_make", None)  # a second time would fail
            yield

    module = Loader(Waiting(tmp_path / "quantised")).load(component)
    assert len(written(tmp_path)) == 1
    assert not any(tensor.is_meta for tensor in Weights(module).tensors)


# --- main memory ---


def residency(*, free_bytes: int, host_bytes: int) -> tuple[Residency, SimDisk]:
    """Copies may take ``host_bytes``; what is free in main memory shrinks with them."""
    device = SimDevice(1000, host_bytes)
    disk = SimDisk(device, {"one": 100, "two": 100})
    made: Residency = Residency(
        device, disk.load, clock=device.clock, main_free_bytes=lambda: free_bytes - made.host_used_bytes
    )
    return made, disk


def test_copies_go_before_something_new_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Residency, "size_bytes", lambda self, component: 100)
    held, _ = residency(free_bytes=150, host_bytes=1000)
    with held.lease([fake_component("one")]):
        pass
    assert held.host_used_bytes == 100
    with held.lease([fake_component("two")]):
        assert held.host_used_bytes == 100
    assert held.entries["one"].copies is None


def test_what_main_memory_cannot_take_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Residency, "size_bytes", lambda self, component: 100)
    held, disk = residency(free_bytes=90, host_bytes=1000)
    lease = Lease({"one": fake_component("one")})
    with pytest.raises(DoesNotFit, match="Reading one takes 100 B of main memory, of which 90 B are free"):
        held.acquire(lease)
    held.release(lease)
    assert disk.reads == []
    assert not held.entries
