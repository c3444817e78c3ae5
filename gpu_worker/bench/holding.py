"""``python -m gpu_worker bench``: what this host makes of real denoisers at full size, beside a plain diffusers script.

Random weights, made here from the configuration: nothing is downloaded. The same inputs, the same weights and the same
process for every row. Without a card it runs small ones, whose figures say that the command works and little else.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch

from gpu_worker.engine.checkpoint import Part
from gpu_worker.engine.components import Component
from gpu_worker.engine.devices import Cpu, Cuda, Device, main_memory_bytes
from gpu_worker.engine.economies import streamed
from gpu_worker.engine.errors import EngineError
from gpu_worker.engine.loading import Loader
from gpu_worker.engine.quantisation import QuantisedStore, check_quantisation
from gpu_worker.engine.residency import Residency
from gpu_worker.engine.residents import Lease
from gpu_worker.engine.sizes import show_bytes

QUANTISATIONS = ("none", "int8", "fp8")


@dataclass(frozen=True, slots=True)
class Subject:
    """A denoiser and one step's inputs."""

    class_name: str
    config: Mapping[str, Any]
    small_config: Mapping[str, Any]
    clip: str
    inputs: Callable[[tuple[int, int, int], int], dict[str, Any]]
    """From latent frames, height and width, and the width of text."""
    latents: tuple[int, int, int]


def _ltx_inputs(latents: tuple[int, int, int], text_width: int) -> dict[str, Any]:
    frames, height, width = latents
    return {
        "hidden_states": torch.randn(1, frames * height * width, 128),
        "encoder_hidden_states": torch.randn(1, 128, text_width),
        "encoder_attention_mask": torch.ones(1, 128),
        "timestep": torch.tensor([500.0]),
        "num_frames": frames,
        "height": height,
        "width": width,
    }


def _wan_inputs(latents: tuple[int, int, int], text_width: int) -> dict[str, Any]:
    return {
        "hidden_states": torch.randn(1, 16, *latents),
        "encoder_hidden_states": torch.randn(1, 512, text_width),
        "timestep": torch.tensor([500]),
    }


_WAN = {"freq_dim": 256, "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads"}
SUBJECTS = {
    "ltx-2b": Subject(
        "LTXVideoTransformer3DModel",
        {},  # the class's defaults are LTX-Video 2B
        {"num_attention_heads": 8, "cross_attention_dim": 512, "num_layers": 4, "caption_channels": 256},
        "704x480, 97 frames",
        _ltx_inputs,
        (13, 15, 22),
    ),
    "wan-1.3b": Subject(
        "WanTransformer3DModel",
        {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "text_dim": 4096, **_WAN},
        {"num_attention_heads": 4, "ffn_dim": 1024, "num_layers": 4, "text_dim": 256, **_WAN},
        "832x480, 81 frames",
        _wan_inputs,
        (21, 60, 104),
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    load_seconds: float
    step_seconds: float
    peak_bytes: int


class Bench:
    """One subject on one device."""

    def __init__(self, subject: Subject, device: Device, folder: Path, *, is_small: bool, steps: int) -> None:
        self._device, self._steps = device, steps
        config = dict(subject.small_config if is_small else subject.config)
        self._part = Part("transformer", folder / "transformer", "diffusers", subject.class_name)
        self._loader = Loader(QuantisedStore(folder / "quantised"))
        _make(self._part, config)
        self.size_bytes = sum(file.stat().st_size for file in self._part.folder.glob("*.safetensors"))
        text_width = config.get("caption_channels", config.get("text_dim", 4096))
        torch.manual_seed(0)
        self._inputs = subject.inputs((3, 4, 6) if is_small else subject.latents, text_width)

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
        yield self._measured("none, block swap", self._streamed)

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
        return Component(f"bench:{self._part.folder}:{quantisation}", self._part, "bfloat16", quantisation)

    @contextmanager
    def _plain(self) -> Iterator[torch.nn.Module]:
        module = self._part.cls.from_pretrained(str(self._part.folder), torch_dtype=torch.bfloat16)
        yield module.to(self._device.torch_device).eval()

    @contextmanager
    def _leased(self, quantisation: str) -> Iterator[torch.nn.Module]:
        with Residency(self._device, self._loader.load).lease([self._component(quantisation)]) as modules:
            yield modules["transformer"]

    @contextmanager
    def _streamed(self) -> Iterator[torch.nn.Module]:
        residency, component = Residency(self._device, self._loader.load), self._component("none")
        lease = Lease({component.name: component})
        with ExitStack() as undo:
            undo.callback(residency.release, lease)
            residency.acquire_copies(lease, 0)
            undo.enter_context(streamed(lease.modules.values(), self._device.torch_device))
            yield lease.modules["transformer"]

    def _measured(self, name: str, held: Callable[[], AbstractContextManager[torch.nn.Module]]) -> Row:
        gc.collect()
        self._device.release_cached()
        self._device.start_peak()
        began = time.perf_counter()
        with held() as module:
            self._device.synchronize()
            load_seconds = time.perf_counter() - began
            inputs = {name: self._moved(value) for name, value in self._inputs.items()}
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

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        moved = value.to(self._device.torch_device)
        return moved.to(torch.bfloat16) if moved.dim() > 1 else moved


def _make(part: Part, config: dict[str, Any]) -> None:
    """Save ``part`` with random weights in bfloat16."""
    with torch.device("meta"):
        module = part.cls(**config)
    filled = torch.nn.Module.to(module, torch.bfloat16).to_empty(device="cpu")
    torch.manual_seed(0)
    for parameter in filled.parameters():
        parameter.data.normal_(0, 0.02)
    filled.save_pretrained(part.folder)


def _medians(times: int, *actions: Callable[[], object]) -> list[float]:
    """Seconds of each, taken in turns."""
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, taken in zip(actions, seconds, strict=True):
            began = time.perf_counter()
            action()
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in seconds]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m gpu_worker bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="MODEL", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each row, after one to warm up")
    parser.add_argument("--small", action="store_true", help="small configurations; always so without a card")
    parser.add_argument("--folder", type=Path, help="where weights are made; a temporary folder by default")
    asked = parser.parse_args(arguments)
    unknown = set(asked.subjects) - SUBJECTS.keys()
    if unknown:
        parser.error(f"no model {', '.join(sorted(unknown))}; there are: {', '.join(SUBJECTS)}")
    is_small = asked.small or not torch.cuda.is_available()
    diffusers.utils.logging.set_verbosity_error()
    device: Device = Cuda() if torch.cuda.is_available() else Cpu(main_memory_bytes() // 2, main_memory_bytes() // 4)
    sys.stdout.write(f"{device.name}, torch {torch.__version__}{', small configurations' if is_small else ''}\n")
    for name in asked.subjects or SUBJECTS:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            bench = Bench(SUBJECTS[name], device, Path(folder), is_small=is_small, steps=asked.steps)
            clip = "a few latents" if is_small else SUBJECTS[name].clip
            sys.stdout.write(f"\n{name}, {show_bytes(bench.size_bytes)} in bfloat16, one step of {clip}\n\n")
            sys.stdout.write("| weights | load | step | peak |\n|---|---|---|---|\n")
            remarks = []
            for row in bench.rows():
                if isinstance(row, str):
                    remarks.append(row)
                    continue
                seconds = f"{row.load_seconds:.2f} s | {row.step_seconds * 1000:.1f} ms"
                peak = show_bytes(row.peak_bytes) if device.torch_device.type == "cuda" else "on a card only"
                sys.stdout.write(f"| {row.name} | {seconds} | {peak} |\n")
                sys.stdout.flush()
            sys.stdout.writelines(f"\n{line}\n" for line in (*remarks, bench.rates()))
    return 0
