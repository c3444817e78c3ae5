"""The ways compared on real checkpoints: random weights, real pipeline classes, read by the engine's own loader.

Loading takes the time that it takes; rendering is on a virtual clock, so that waits are those of a busy card. And the
figures that only a real machine has: loading against a plain read, a hit's price, the gap between two jobs.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from transformers import T5Config

from benchmarks.residency_bound import least_in_order
from benchmarks.residency_ways import (
    LOAD_PER_JOB,
    PLAIN,
    WAYS,
    Stages,
    Tally,
    Trace,
    Way,
    cells,
    interval,
    ratio,
    serve,
    table,
    trace,
)
from gpu_worker.bench.weights import make
from gpu_worker.contract import ModelSpec
from gpu_worker.engine import Cpu
from gpu_worker.engine.memory.open_models import Library, OpenModel
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from tests.engine.simulation import fake_component, simulated
from tests.tiny import cogvideox, ltx, wan

BUDGETS = (0.4, 0.6, 0.85)
"""Parts of what all six models take together, as 26, 40 and 60 GiB are of the real ones."""
MODELS = {
    "ltx-large": (ltx.build, 512, 4),
    "wan-large": (wan.build, 512, 6),
    "wan-small": (wan.build, 512, 1),
    "ltx-second": (ltx.build, 512, 4),
    "cogvideox-large": (cogvideox.build, 512, 3),
    "cogvideox-small": (cogvideox.build, 512, 1),
}
"""Builder, width, layers; the most popular first. All LTX and CogVideoX share one text encoder, the Wans another."""
TEXT = {"text_width": 512, "text_layers": 4}
COMPARED = WAYS[:-1]
ANY_BUDGET = WAYS[:2]
"""What empties the device whenever the model changes loads the same within any budget: measured once."""
RENDERS_PER_LOAD = 4.0
"""Seconds that a render takes for each second that reading its model took."""


Seconds = Callable[[], float]


class LoadClock:
    """A virtual clock that runs with a real one while something is loaded."""

    def __init__(self, seconds: Seconds) -> None:
        self.now = 0.0
        self._seconds = seconds

    @contextmanager
    def loading(self) -> Iterator[None]:
        began = self._seconds()
        try:
            yield
        finally:
            self.now += self._seconds() - began


def build_models(folder: Path) -> Mapping[str, ModelSpec]:
    specs = {}
    for seed, (slug, (build, width, layers)) in enumerate(MODELS.items()):
        build(folder / slug, seed=seed, width=width, layers=layers, **TEXT)
        family = slug.partition("-")[0]
        specs[slug] = ModelSpec(slug=slug, version=1, family=family, source=slug, dtype="float32")
    return specs


def print_measured(scratch: Path, jobs_count: int, seeds: int, seconds: Seconds = time.perf_counter) -> None:
    """A table for each budget. ``seconds`` is the clock by which loading is measured."""
    specs = build_models(scratch)
    library = Library(scratch, scratch / "cache")
    loader = Loader(QuantisedStore(scratch / "quantised"))
    opened = {slug: library.open(spec) for slug, spec in specs.items()}
    sizes = {c.key: c.declared_bytes for model in opened.values() for c in model.components.values()}
    total_bytes = sum(sizes.values())
    service_seconds = {
        slug: RENDERS_PER_LOAD * _reading_seconds(loader, model, seconds) for slug, model in opened.items()
    }
    traces = [trace(service_seconds, jobs_count, seed) for seed in range(seeds)]
    print(
        f"\n{len(sizes)} components of {len(specs)} models, {total_bytes / 2**20:.0f} MiB; {jobs_count} jobs a trace."
    )
    tallies: dict[float, dict[str, list[Tally]]] = {part: defaultdict(list) for part in BUDGETS}
    for jobs in traces:
        for way in COMPARED:  # in turns, so that what else the machine does meets all alike
            for part in BUDGETS[:1] if way in ANY_BUDGET else BUDGETS:
                device = Cpu(int(part * total_bytes))
                residency = Residency(device, loader.load, policy=way.policy, clock=seconds)
                tally = serve(way, jobs, service_seconds, residency, _stages_of(opened, way), LoadClock(seconds))
                for budget in BUDGETS if way in ANY_BUDGET else (part,):
                    tallies[budget][way.name].append(tally)
    for part in BUDGETS:
        print(f"\nBudget {part:.0%} of that, {part * total_bytes / 2**20:.0f} MiB:\n")
        table(
            HEAD, _rows(tallies[part], [_least_bytes(jobs, opened, sizes, int(part * total_bytes)) for jobs in traces])
        )


HEAD = (
    "",
    "loading per job",
    "hits",
    "MiB per job",
    "wait p50 / p95 / max, s",
    "less than load per job",
    "of LRU",
    "bytes of the bound in order",
)


def _rows(tallies: dict[str, list[Tally]], least_bytes: Sequence[float]) -> Iterator[Sequence[str]]:
    jobs_count = len(tallies[PLAIN.name][0].waits)
    for name, mine in tallies.items():
        factor, of_lru = 1 / ratio(mine, tallies[LOAD_PER_JOB.name]), ratio(mine, tallies[PLAIN.name])
        of_bound = sum(t.loaded_bytes for t in mine) / sum(least_bytes)
        yield [name, *cells(mine, 2**20, digits=1), f"{factor:.1f} ×", f"{of_lru:.2f}", f"{of_bound:.2f}"]
    yield ["diffusers' ComponentsManager", "refuses a CPU", *[""] * 6]
    least = interval([size_bytes / 2**20 / jobs_count for size_bytes in least_bytes])
    yield ["least possible in the order of arrival", "", "", least, *[""] * 4]


def _least_bytes(jobs: Trace, opened: Mapping[str, OpenModel], sizes: Mapping[str, int], budget_bytes: int) -> float:
    """The bound in bytes, which no clock touches."""
    requests = [frozenset(c.key for c in stage) for slug in jobs.models for stage in _stages(opened[slug])]
    return least_in_order(requests, sizes, {key: float(size) for key, size in sizes.items()}, budget_bytes)


def _stages(model: OpenModel) -> Stages:
    return [[*model.encoders.values()], [*model.denoisers.values(), *model.decoders.values()]]


def _stages_of(opened: Mapping[str, OpenModel], way: Way) -> Callable[[str], Stages]:
    def owned(component: Component, slug: str) -> Component:
        if way.is_shared:
            return component
        return Component(f"{slug}/{component.key}", component.part, component.dtype, component.quantisation)

    def stages_of(slug: str) -> Stages:
        return [[owned(component, slug) for component in stage] for stage in _stages(opened[slug])]

    return stages_of


def _reading_seconds(loader: Loader, model: OpenModel, seconds: Seconds) -> float:
    began = seconds()
    for component in model.components.values():
        loader.load(component)
    return seconds() - began


# --- rates ---


def build_large(folder: Path) -> dict[str, Part]:
    """A transformer of LTX-Video and a T5, half a gigabyte each in bfloat16."""
    parts = {
        "transformer": Part("transformer", folder / "transformer", "diffusers", "LTXVideoTransformer3DModel"),
        "text_encoder": Part("text_encoder", folder / "text_encoder", "transformers", "T5EncoderModel"),
    }
    make(
        parts["transformer"],
        {"num_attention_heads": 16, "attention_head_dim": 64, "cross_attention_dim": 1024, "num_layers": 16},
    )
    make(
        parts["text_encoder"],
        T5Config(d_model=1024, d_kv=64, d_ff=2816, num_layers=18, num_heads=16, feed_forward_proj="gated-gelu"),
    )
    return parts


def print_rates(scratch: Path, times: int = 5) -> None:
    """Loading from the page cache against reading the same bytes once, in turns; medians."""
    store = QuantisedStore(scratch / "quantised")
    loader = Loader(store)

    def rows() -> Iterator[Sequence[str]]:
        for name, part in build_large(scratch).items():
            for quantisation in ("none", "int8"):
                component = Component(f"{name}-{quantisation}", part, "bfloat16", quantisation)
                loader.load(component)
                files = [store.file(component)] if quantisation != "none" else list(part.folder.glob("*.safetensors"))
                size = sum(file.stat().st_size for file in files)
                touched = bytearray(max(file.stat().st_size for file in files))
                fresh, again, load = _in_turns(
                    times,
                    lambda files=files: [len(file.read_bytes()) for file in files],  # type: ignore[misc]
                    lambda files=files, touched=touched: [_read_into(file, touched) for file in files],  # type: ignore[misc]
                    lambda component=component: loader.load(component),  # type: ignore[misc]
                )
                mib = size / 2**20
                yield [
                    f"{part.class_name}, {quantisation}",
                    f"{mib:.0f} MiB",
                    f"{mib / fresh:.0f}",
                    f"{mib / again:.0f}",
                    f"{mib / load:.0f}",
                    f"{fresh / load:.2f}",
                    f"{again / load:.2f}",
                ]

    table(
        (
            "from the page cache",
            "size",
            "read, MiB/s",
            "read into memory in use, MiB/s",
            "load, MiB/s",
            "of a read (at least 0.7)",
            "of a read into memory in use",
        ),
        rows(),
    )


def print_hit() -> None:
    """What a lease of three components costs that are there, among two hundred."""
    residency, _, _ = simulated({f"k{i}": 400 for i in range(200)}, budget_bytes=100_000)
    for i in range(200):
        with residency.lease([fake_component(f"k{i}")]):
            pass
    wanted = [fake_component(f"k{i}") for i in (3, 77, 150)]

    def hit() -> None:
        with residency.lease(wanted, 1_000):
            pass

    [seconds] = _in_turns(501, hit)
    print(f"\nA lease of three components that are there, among 200: {seconds * 1e6:.0f} µs (at most 1000).")


def _read_into(file: Path, memory: bytearray) -> int:
    with file.open("rb", buffering=0) as content:
        rest, done = memoryview(memory), 0
        while count := content.readinto(rest[done:]):
            done += count
    return done


def _in_turns(times: int, *actions: Callable[[], object]) -> list[float]:
    """Median seconds of each."""
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, taken in zip(actions, seconds, strict=True):
            began = time.perf_counter()
            kept = action()
            taken.append(time.perf_counter() - began)
            del kept
    return [statistics.median(taken) for taken in seconds]
