"""What each way of holding a denoiser makes of a step, beside a plain script of diffusers.

The same inputs, the same weights and the same process for every row.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gpu_worker.bench.subjects import Subject
from gpu_worker.bench.weights import transformer_of
from gpu_worker.engine.errors import EngineError
from gpu_worker.engine.memory.block_swap import BlockSwap
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore, check_quantisation

QUANTISATIONS = ("none", "int8", "fp8")


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    load_seconds: float
    step_seconds: float
    peak_bytes: int


class Holding:
    """One subject on one device."""

    def __init__(self, subject: Subject, size: str, device: Device, folder: Path, *, steps: int) -> None:
        self._device, self._steps = device, steps
        scale = subject.scales[size]
        self._part = transformer_of(subject, size, folder)
        self._loader = Loader(QuantisedStore(folder / "quantised"))
        self.size_bytes = sum(file.stat().st_size for file in self._part.folder.glob("*.safetensors"))
        torch.manual_seed(0)
        self._inputs = subject.inputs(subject.latents(size), scale.text_width)

    def rows(self) -> Iterator[Row | str]:
        """A line of the table each, or why there is none."""
        yield self._measured("plain diffusers", self._plain)
        for quantisation in QUANTISATIONS:
            try:
                check_quantisation(quantisation, self._device.torch_device)
                self._loader.load(self._component(quantisation))  # quantised once, and kept
                yield self._measured(quantisation, lambda q=quantisation: self._leased(q))  # type: ignore[misc]
            except (EngineError, RuntimeError, NotImplementedError) as problem:
                yield f"{quantisation}: {str(problem).splitlines()[0]}"
        yield self._measured("none, block swap", self._block_swapped)

    def rates(self) -> str:
        """Reading and loading from the page cache, and coming back from main memory, against a plain copy."""
        files = list(self._part.folder.glob("*.safetensors"))
        component = self._component("none")
        read, load = _medians(
            3, lambda: [len(file.read_bytes()) for file in files], lambda: self._loader.load(component)
        )
        residency = Residency(self._device, self._loader.load)
        with residency.lease([component]):
            pass
        plain = torch.empty(self.size_bytes, dtype=torch.uint8)
        if self._device.torch_device.type == "cuda":
            plain = plain.pin_memory()

        def swap() -> None:
            residency.evict(component.key)
            with residency.lease([component]):
                pass

        def copy() -> None:
            self._device.bring(plain, is_original_kept=True)
            self._device.synchronize()

        swapped, copied = _medians(5, swap, copy)
        gib = self.size_bytes / 2**30
        return (
            f"load {gib / load:.2f} GiB/s, {read / load:.2f} of a plain read; swap from main memory "
            f"{gib / swapped:.2f} GiB/s, {copied / swapped:.2f} of a plain copy"
        )

    def _component(self, quantisation: str) -> Component:
        return component_of(self._part, quantisation)

    @contextmanager
    def _plain(self) -> Iterator[torch.nn.Module]:
        module = self._part.cls.from_pretrained(
            str(self._part.folder), torch_dtype=torch.bfloat16, trust_remote_code=False
        )
        yield module.to(self._device.torch_device).eval()

    @contextmanager
    def _leased(self, quantisation: str) -> Iterator[torch.nn.Module]:
        with Residency(self._device, self._loader.load).lease([self._component(quantisation)]) as modules:
            yield modules["transformer"]

    @contextmanager
    def _block_swapped(self) -> Iterator[torch.nn.Module]:
        residency, component = Residency(self._device, self._loader.load), self._component("none")
        lease = Lease({component.name: component})
        with ExitStack() as undo:
            undo.callback(residency.release, lease)
            residency.acquire_copies(lease, 0)
            undo.enter_context(BlockSwap(residency, lease))
            yield lease.modules["transformer"]

    def _measured(self, name: str, held: Callable[[], AbstractContextManager[torch.nn.Module]]) -> Row:
        gc.collect()
        self._device.release_cached()
        self._device.start_peak()
        began = time.perf_counter()
        with held() as module:
            self._device.synchronize()
            load_seconds = time.perf_counter() - began
            inputs = place_inputs(self._inputs, self._device)
            with torch.inference_mode():
                module(**inputs)  # warms up
                self._device.synchronize()
                seconds = []
                for _ in range(self._steps):
                    began = time.perf_counter()
                    module(**inputs)
                    self._device.synchronize()
                    seconds.append(time.perf_counter() - began)
            return Row(name, load_seconds, statistics.median(seconds), self._device.peak_bytes())


def component_of(part: Part, quantisation: str) -> Component:
    return Component(f"bench:{part.folder}:{quantisation}", part, "bfloat16", quantisation)


def place_inputs(inputs: Mapping[str, Any], device: Device) -> dict[str, Any]:
    """A step's inputs on the device, as its weights are."""

    def of_one(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        moved = value.to(device.torch_device)
        return moved.to(torch.bfloat16) if moved.dim() > 1 else moved

    return {name: of_one(value) for name, value in inputs.items()}


def _medians(times: int, *actions: Callable[[], object]) -> list[float]:
    """Seconds of each, taken in turns."""
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, taken in zip(actions, seconds, strict=True):
            began = time.perf_counter()
            action()
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in seconds]
