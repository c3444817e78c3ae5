"""The ways compared with the sizes of real models, on a simulated device: weights are a millionth of their true size
and a virtual clock counts bytes over bandwidth. Residency, plan, policies and pop are the engine's own."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from diffusers.modular_pipelines import components_manager

from benchmarks.residency_bound import least_in_any_order, least_in_order
from benchmarks.residency_search import Search
from benchmarks.residency_ways import (
    BOUNDS,
    LINE,
    LOAD_PER_JOB,
    PLAIN,
    WAYS,
    Stages,
    Tally,
    Trace,
    Way,
    cells,
    in_turn,
    ratio,
    serve,
    table,
    trace,
    walk,
)
from tests.engine.simulation import SimDevice, fake_component, simulated

GIB = 1024  # a gibibyte in the simulation
GIB_PER_SECOND = 2.0
BUDGETS_GIB = (26, 40, 60)

SIZES_GIB = {
    "ltx-13b": {"t5": 4.8, "ltx-13b": 13.0, "ltx-vae": 0.8},
    "wan-14b": {"umt5": 5.7, "wan-14b": 14.3, "wan-vae": 0.25},
    "wan-1.3b": {"umt5": 5.7, "wan-1.3b": 1.4, "wan-vae": 0.25},
    "hunyuan": {"llama": 7.5, "hunyuan": 12.8, "hunyuan-vae": 0.5},
    "cogvideox-5b": {"t5": 4.8, "cogvideox-5b": 5.6, "cog-vae": 0.4},
    "cogvideox-2b": {"t5": 4.8, "cogvideox-2b": 1.7, "cog-vae": 0.4},
}
"""Weights in int8, VAEs in bfloat16: reference sizes of the published checkpoints, most popular first."""
SERVICE_SECONDS = {
    "ltx-13b": 30.0,
    "wan-14b": 60.0,
    "wan-1.3b": 15.0,
    "hunyuan": 60.0,
    "cogvideox-5b": 40.0,
    "cogvideox-2b": 15.0,
}
"""Assumed: of the order of a few seconds of video on a large card. They weigh waits, not loading."""
SIZES = {
    key: int(gib * GIB) // 4 * 4
    for model, components in SIZES_GIB.items()
    for name, gib in components.items()
    for key in (name, f"{model}/{name}")
}


@dataclass(slots=True)
class DeviceClock:
    """The simulated device moves its clock itself when it loads."""

    device: SimDevice

    @property
    def now(self) -> float:
        return self.device.now

    @now.setter
    def now(self, seconds: float) -> None:
        self.device.now = seconds

    def loading(self) -> nullcontext[None]:
        return nullcontext()


def stages_of(model: str, *, is_shared: bool = True) -> Stages:
    encoder, *rest = SIZES_GIB[model]
    return [[fake_component(n if is_shared else f"{model}/{n}") for n in stage] for stage in ([encoder], rest)]


def simulate(way: Way, jobs: Trace, budget_gib: float) -> Tally:
    residency, _, device = simulated(SIZES, budget_bytes=int(budget_gib * GIB), policy=way.policy)
    device.bandwidth = GIB_PER_SECOND * GIB * 11  # the simulated disk is ten times slower than the device
    clock = DeviceClock(device)
    return serve(way, jobs, SERVICE_SECONDS, residency, lambda m: stages_of(m, is_shared=way.is_shared), clock)


def simulate_components_manager(jobs: Trace, budget_gib: float) -> Tally:
    """diffusers' own ``AutoOffloadStrategy`` decides; its question to the driver is answered by the simulation.

    With no reserve for activations, right byte counts and components shared, all three in its favour.
    """
    strategy = components_manager.AutoOffloadStrategy(memory_reserve_margin="0GB")
    resident: dict[str, int] = {}
    counts = {"hits": 0, "misses": 0}
    loaded_bytes = 0
    clock = SimpleNamespace(now=0.0)

    def hook(key: str) -> SimpleNamespace:
        return SimpleNamespace(model_id=key, model=SimpleNamespace(get_memory_footprint=lambda: SIZES[key]))

    def forward(key: str) -> int:
        if key in resident:
            counts["hits"] += 1
            return 0
        counts["misses"] += 1
        free_bytes = int(budget_gib * GIB) - sum(resident.values())
        components_manager.TorchDeviceBackend = lambda device: SimpleNamespace(mem_get_info=lambda: (free_bytes, 0))
        leaving = strategy([hook(k) for k in resident], key, hook(key).model, torch.device("cpu"))
        for victim in leaving:
            del resident[victim.model_id]
        resident[key] = SIZES[key]
        return SIZES[key]

    def run(model: str, others: list[str]) -> float:
        nonlocal loaded_bytes
        size_bytes = sum(forward(key) for key in SIZES_GIB[model])
        loaded_bytes += size_bytes
        seconds = size_bytes / GIB / GIB_PER_SECOND
        clock.now += seconds
        return seconds

    original = components_manager.TorchDeviceBackend
    try:
        tally = walk(jobs, SERVICE_SECONDS, clock, in_turn, run)
    finally:
        components_manager.TorchDeviceBackend = original
    tally.loaded_bytes = loaded_bytes
    tally.hit_rate = counts["hits"] / (counts["hits"] + counts["misses"])
    return tally


def bounds(jobs: Trace, budget_gib: float) -> tuple[float, float, float]:
    """The least loading per job: in the order of arrival, and in any order that the pop could choose; and the least of
    such orders that a search found, which is no bound."""
    costs = {key: size / GIB / GIB_PER_SECOND for key, size in SIZES.items()}
    budget_bytes = int(budget_gib * GIB)
    staged = [frozenset(c.key for c in stage) for model in jobs.models for stage in stages_of(model)]
    whole = [frozenset(SIZES_GIB[model]) for model in jobs.models]
    in_order = least_in_order(staged, SIZES, costs, budget_bytes)
    in_any = least_in_any_order(
        whole, SIZES, costs, budget_bytes, window=min(BOUNDS.window, LINE), max_skips=BOUNDS.max_skips
    )
    search = Search(
        jobs.models,
        jobs.arrivals,
        {model: [frozenset(c.key for c in stage) for stage in stages_of(model)] for model in SIZES_GIB},
        sizes=SIZES,
        service_seconds=SERVICE_SECONDS,
        bytes_per_second=GIB * GIB_PER_SECOND,
        budget_bytes=budget_bytes,
        line=min(BOUNDS.window, LINE),
        max_skips=BOUNDS.max_skips,
    )
    return in_order / len(whole), in_any / len(whole), search.least_seconds() / len(whole)


def print_simulated(jobs_count: int, seeds: int) -> None:
    traces = [trace(SERVICE_SECONDS, jobs_count, seed) for seed in range(seeds)]
    for budget in BUDGETS_GIB:
        found = [bounds(jobs, budget) for jobs in traces]
        in_order, in_any, searched = (statistics.mean(b[i] for b in found) for i in range(3))
        tallies = {way.name: [simulate(way, jobs, budget) for jobs in traces] for way in WAYS}
        tallies["diffusers' ComponentsManager"] = [simulate_components_manager(jobs, budget) for jobs in traces]
        print(f"\n{budget} GiB:\n")
        table(HEAD, rows(tallies, in_order, in_any, searched))


def print_counts(jobs_count: int, seeds: int) -> None:
    """Print how often the ways load a component and how often they evict one, means of the traces."""
    traces = [trace(SERVICE_SECONDS, jobs_count, seed) for seed in range(seeds)]

    def counted(way: Way) -> Iterator[str]:
        yield way.name
        for budget in BUDGETS_GIB:
            tallies = [simulate(way, jobs, budget) for jobs in traces]
            counts = [t.loads for t in tallies], [t.evictions for t in tallies]
            yield ", ".join(f"{statistics.mean(count):g}" for count in counts)

    table(("loads, evictions", *(f"{budget} GiB" for budget in BUDGETS_GIB)), map(list, map(counted, WAYS)))


HEAD = (
    "",
    "loading per job",
    "hits",
    "GiB per job",
    "wait p50 / p95 / max, s",
    "less than load per job",
    "of LRU",
    "of the bound in order",
    "of the bound in any order",
    "of the best order found",
)


def rows(tallies: dict[str, list[Tally]], in_order: float, in_any: float, searched: float) -> Iterator[Sequence[str]]:
    for name, mine in tallies.items():
        seconds = statistics.mean(t.load_seconds / len(t.waits) for t in mine)
        yield [
            name,
            *cells(mine, GIB),
            f"{1 / ratio(mine, tallies[LOAD_PER_JOB.name]):.1f} ×",
            f"{ratio(mine, tallies[PLAIN.name]):.2f}",
            f"{seconds / in_order:.2f}",
            f"{seconds / in_any:.2f}",
            f"{seconds / searched:.2f}",
        ]
    yield ["least possible in the order of arrival", f"{in_order:.2f} s", *[""] * 8]
    yield ["least possible in any order within the bounds", f"{in_any:.2f} s", *[""] * 8]
    yield ["least found in any order within the bounds", f"{searched:.2f} s", *[""] * 8]
