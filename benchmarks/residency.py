"""How much loading each way of sharing one card costs: simulated with the sizes of real models, and measured.

Every row runs the engine's own ``Residency``, ``plan`` and policies. What is simulated is the device: weights are a
millionth of their true size and a virtual clock counts bytes over bandwidth. The second table loads real checkpoints.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
import transformers

from benchmarks import machine
from benchmarks.residency_bound import least_load_cost
from gpu_worker.contract import ModelSpec
from gpu_worker.engine import Cpu
from gpu_worker.engine.components import Component
from gpu_worker.engine.library import Library
from gpu_worker.engine.loading import Loader
from gpu_worker.engine.planning import Policy, Resident, gdsf, lru
from gpu_worker.engine.quantisation import QuantisedStore
from gpu_worker.engine.residency import Residency
from tests.engine.simulation import fake_component, simulated
from tests.tiny import cogvideox, ltx, wan

GIB = 1024  # a gibibyte in the simulation
JOBS, SEEDS = 300, 10
LOOK_AHEAD = (4, 16)
"""Jobs that the engine is told of; 16 is the worker's window by default."""
ZIPF = 0.8
STAGES = ("text", "transformer", "vae")

SIZES_GIB = {
    "ltx-13b": {"t5": 4.8, "ltx-13b": 13.0, "ltx-vae": 0.8},
    "wan-14b": {"umt5": 5.7, "wan-14b": 14.3, "wan-vae": 0.25},
    "wan-1.3b": {"umt5": 5.7, "wan-1.3b": 1.4, "wan-vae": 0.25},
    "hunyuan": {"llama": 7.5, "hunyuan": 12.8, "hunyuan-vae": 0.5},
    "cogvideox-5b": {"t5": 4.8, "cogvideox-5b": 5.6, "cog-vae": 0.4},
    "cogvideox-2b": {"t5": 4.8, "cogvideox-2b": 1.7, "cog-vae": 0.4},
}
"""Weights in int8, VAEs in bfloat16: reference sizes of the published checkpoints, most popular first."""


def smallest(resident: Resident) -> float:
    """Smallest first, as InvokeAI offloads."""
    return float(resident.size_bytes)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sharing the device."""

    name: str
    policy: Policy = lru
    look_ahead: int = 0
    is_shared: bool = True
    empties: Callable[[str | None, str], bool] = lambda before, now: False
    """Whether everything leaves before a job of ``now`` when ``before`` was the model of the last one."""


WAYS = (
    Way("load per job", empties=lambda before, now: True),
    Way("single slot", empties=lambda before, now: before != now),
    Way("LRU, nothing shared", is_shared=False),
    Way("smallest first", policy=smallest),
    Way("LRU"),
    *(Way(f"LRU, sees {jobs} jobs", look_ahead=jobs) for jobs in LOOK_AHEAD),
    Way("GDSF", policy=gdsf),
    *(Way(f"GDSF, sees {jobs} jobs", policy=gdsf, look_ahead=jobs) for jobs in LOOK_AHEAD),
)

Stages = Sequence[Sequence[Component]]
"""What a job leases, one after the other: the encoder, then denoiser and decoder."""


def trace(models: Sequence[str], jobs: int, seed: int, sticky: float) -> list[str]:
    """Models of ``jobs`` jobs: popular by Zipf's law, and with probability ``sticky`` the same as the one before."""
    dice = random.Random(seed)
    weights = [1 / (rank + 1) ** ZIPF for rank in range(len(models))]
    drawn: list[str] = []
    for _ in range(jobs):
        is_repeated = bool(drawn) and dice.random() < sticky
        drawn.append(drawn[-1] if is_repeated else dice.choices(models, weights)[0])
    return drawn


def serve(residency: Residency, jobs: Sequence[str], stages_of: Callable[[str], Stages], way: Way) -> None:
    """Lease what each job needs, stage by stage, as the engine does."""
    before: str | None = None
    for position, model in enumerate(jobs):
        if way.empties(before, model):
            residency.evict_all()
        seen = jobs[position : position + 1 + way.look_ahead]
        residency.upcoming = [{c.key for stage in stages_of(m) for c in stage} for m in seen]
        for stage in stages_of(model):
            with residency.lease(stage):
                pass
        before = model


def fake_stages(way: Way) -> Callable[[str], Stages]:
    def stages_of(model: str) -> Stages:
        encoder, *rest = SIZES_GIB[model]
        names = [encoder], rest
        return [[fake_component(n if way.is_shared else f"{model}/{n}") for n in stage] for stage in names]

    return stages_of


def fake_sizes() -> dict[str, int]:
    sizes = {}
    for model, components in SIZES_GIB.items():
        for name, gib in components.items():
            sizes[name] = sizes[f"{model}/{name}"] = int(gib * GIB) // 4 * 4
    return sizes


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one way on one trace."""

    load_seconds: float
    loaded_gib: float
    hit_rate: float


def simulate(way: Way, jobs: Sequence[str], budget_gib: float, gib_per_second: float) -> Figures:
    sizes = fake_sizes()
    residency, _, device = simulated(sizes, budget_bytes=int(budget_gib * GIB), policy=way.policy)
    device.bandwidth = gib_per_second * GIB * 11  # the simulated disk is ten times slower than the device
    serve(residency, jobs, fake_stages(way), way)
    counters = residency.counters
    return Figures(
        device.now / len(jobs),
        counters["loaded_bytes"] / GIB / len(jobs),
        counters["hits"] / (counters["hits"] + counters["misses"]),
    )


def bound(jobs: Sequence[str], budget_gib: float, gib_per_second: float) -> float:
    sizes = fake_sizes()
    costs = {key: size / GIB / gib_per_second for key, size in sizes.items()}
    stages_of = fake_stages(Way(""))
    requests = [frozenset(c.key for c in stage) for model in jobs for stage in stages_of(model)]
    return least_load_cost(requests, sizes, costs, int(budget_gib * GIB)) / len(jobs)


def interval(values: Sequence[float]) -> str:
    """Mean and half of its 95 % interval."""
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {half:.2f}"


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def print_simulated(budgets_gib: Sequence[float], sticky: float, gib_per_second: float) -> None:
    models = list(SIZES_GIB)
    traces = [trace(models, JOBS, seed, sticky) for seed in range(SEEDS)]
    least = {b: statistics.mean(bound(jobs, b, gib_per_second) for jobs in traces[:5]) for b in budgets_gib}

    def rows() -> Iterator[Sequence[str]]:
        for way in WAYS:
            cells = []
            for budget in budgets_gib:
                runs = [simulate(way, jobs, budget, gib_per_second) for jobs in traces]
                seconds = [run.load_seconds for run in runs]
                over = statistics.mean(seconds) / least[budget]
                hits = statistics.mean(run.hit_rate for run in runs)
                cells.append(f"{interval(seconds)} s, {over:.2f} × bound, {hits:.0%} hits")
            yield [way.name, *cells]
        yield ["linear-programme bound", *(f"{least[b]:.2f} s" for b in budgets_gib)]

    table(["loading per job", *(f"{b:g} GiB" for b in budgets_gib)], rows())


def build_models(folder: Path) -> Mapping[str, ModelSpec]:
    """Six checkpoints of some forty megabytes each, two and two with one text encoder."""
    builders = {"ltx": ltx.build, "cogvideox": cogvideox.build, "wan": wan.build}
    specs = {}
    for rank, family in enumerate(("ltx", "wan", "cogvideox", "wan", "ltx", "cogvideox")):
        slug = f"{family}-{rank}"
        builders[family](folder / slug, seed=rank, width=512, layers=2 + rank % 3)
        specs[slug] = ModelSpec(slug=slug, version=1, family=family, source=slug, dtype="float32")
    return specs


def print_measured(jobs_count: int, seeds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        specs = build_models(Path(scratch))
        library = Library(Path(scratch), Path(scratch) / "cache")
        loader = Loader(QuantisedStore(Path(scratch) / "quantised"))
        opened = {slug: library.open(spec) for slug, spec in specs.items()}

        def stages_of(slug: str) -> Stages:
            model = opened[slug]
            return [list(model.encoders.values()), [*model.denoisers.values(), *model.decoders.values()]]

        total = {c.key: c.declared_bytes for model in opened.values() for c in model.components.values()}
        budget_bytes = int(sum(total.values()) * 0.5)
        print(f"\n{len(total)} components, {sum(total.values()) / 2**20:.0f} MiB; half of it as budget.\n")
        traces = [trace(list(specs), jobs_count, seed, 0.0) for seed in range(seeds)]

        def rows() -> Iterator[Sequence[str]]:
            for way in WAYS:
                if not way.is_shared:
                    continue
                seconds, moved = [], []
                for jobs in traces:
                    residency = Residency(Cpu(budget_bytes), loader.load, policy=way.policy)
                    began = time.perf_counter()
                    serve(residency, jobs, stages_of, way)
                    seconds.append((time.perf_counter() - began) / len(jobs) * 1000)
                    moved.append(residency.counters["loaded_bytes"] / 2**20 / len(jobs))
                yield [way.name, f"{interval(seconds)} ms", f"{interval(moved)} MiB"]
            yield ["diffusers' ComponentsManager", "refuses a CPU", "refuses a CPU"]

        table(["real checkpoints", "loading per job", "read per job"], rows())
        print_rates(loader, opened["ltx-0"].components["transformer"])


def print_rates(loader: Loader, component: Component) -> None:
    """Loading from the page cache against a plain read of the same files, and the price of a hit."""
    files = list(component.part.folder.glob("*.safetensors"))

    def plain() -> None:
        for file in files:
            file.read_bytes()

    read_seconds = fastest(plain)
    load_seconds = fastest(lambda: loader.load(component))
    size = component.declared_bytes / 2**20
    print(
        f"\nPlain read {size / read_seconds:.0f} MiB/s; load {size / load_seconds:.0f} MiB/s, "
        f"{read_seconds / load_seconds:.2f} of it."
    )
    residency, _, _ = simulated({f"k{i}": 400 for i in range(200)}, budget_bytes=100_000)
    for i in range(200):
        with residency.lease([fake_component(f"k{i}")]):
            pass
    wanted = [fake_component(f"k{i}") for i in (3, 77, 150)]

    def hit() -> None:
        with residency.lease(wanted, 1_000):
            pass

    print(f"A lease of three components that are there, among 200: {fastest(hit, 200) * 1e6:.0f} µs.")


def fastest(action: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=40, help="jobs of each measured trace")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    print(machine.facts())
    for sticky, name in ((0.0, "models drawn one by one"), (0.6, "bursts: six of ten repeat the model before")):
        print(f"\n{JOBS} jobs, {SEEDS} seeds, Zipf {ZIPF}, disk at 2 GiB/s; {name}:\n")
        print_simulated((26, 40, 60), sticky, 2.0)
    print_measured(options.jobs, seeds=5)


if __name__ == "__main__":
    main()
