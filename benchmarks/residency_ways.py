"""The ways of sharing one card that are compared, and the line of jobs that each of them serves.

The line is production's: the website keeps the order, ``LINE`` jobs wait in RQ at most, and the worker's own ``choose``
takes one of them; evictions are ``Residency``'s, by its ``plan``.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from generation.scheduling.capacity import JOBS_PER_WORKER
from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine.memory.planning import Policy, gdsf, lru
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.weights.components import Component
from gpu_worker.job_choice import Bounds, Waiting, choose

ZIPF = 0.8
LINE = JOBS_PER_WORKER
"""Jobs that wait in RQ for one worker: what it can look at."""
BOUNDS = Bounds()
ARRIVALS_PER_RENDER = 1.1
"""Jobs arrive a tenth faster than the card could render if it never loaded: every way has a backlog."""

Stages = Sequence[Sequence[Component]]
"""What a job leases, one after the other: the encoders, then denoiser and decoder."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sharing the device."""

    name: str
    policy: Policy = lru
    is_shared: bool = True
    sees_line: bool = False
    """Whether eviction spares what the jobs in line need."""
    reorders: bool = False
    """Whether the pop departs from the line's order."""
    empties: Callable[[str | None, str], bool] = lambda before, now: False
    """Whether everything leaves before a job of ``now`` when ``before`` was the model of the last one."""
    line: int = LINE
    bounds: Bounds = BOUNDS


LOAD_PER_JOB = Way("load per job", empties=lambda before, now: True)
PLAIN = Way("LRU")
WAYS = (
    LOAD_PER_JOB,
    Way("single slot", empties=lambda before, now: before != now),
    Way("LRU, nothing shared", is_shared=False),
    PLAIN,
    Way("LRU, eviction sees the line", sees_line=True),
    Way("LRU, pop and eviction see the line", sees_line=True, reorders=True),
    Way("GDSF, pop and eviction see the line", policy=gdsf, sees_line=True, reorders=True),
    Way(
        "LRU, both see a line of 8, 8 skips",
        sees_line=True,
        reorders=True,
        line=8,
        bounds=Bounds(max_skips=8),
    ),
)
"""The third from the end is what runs by default; the last overtakes half as often."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs in the order of their arrival: model and second of each."""

    models: tuple[str, ...]
    arrivals: tuple[float, ...]


def trace(service_seconds: Mapping[str, float], jobs: int, seed: int) -> Trace:
    """Popular by Zipf's law, the first model most, arriving at random."""
    dice = random.Random(seed)
    weights = [1 / (rank + 1) ** ZIPF for rank in range(len(service_seconds))]
    mean_seconds = sum(w * s for w, s in zip(weights, service_seconds.values(), strict=True)) / sum(weights)
    models = tuple(dice.choices(list(service_seconds), weights, k=jobs))
    now, arrivals = 0.0, []
    for _ in models:
        arrivals.append(now)
        now += dice.expovariate(ARRIVALS_PER_RENDER / mean_seconds)
    return Trace(models, tuple(arrivals))


class Clock(Protocol):
    """Seconds since the first arrival; rendering is always virtual."""

    now: float

    def loading(self) -> AbstractContextManager[None]:
        """A block whose time counts."""
        ...


@dataclass(slots=True)
class Tally:
    """What one way did with one trace."""

    load_seconds: float = 0.0
    loaded_bytes: float = 0.0
    loads: int = 0
    evictions: int = 0
    hit_rate: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Seconds from a job's arrival until it was taken, in the order of taking."""


Take = Callable[[list[Waiting]], int]
Run = Callable[[str, list[str]], float]


def in_turn(line: list[Waiting]) -> int:
    return 0


def walk(
    jobs: Trace, service_seconds: Mapping[str, float], clock: Clock, take: Take, run: Run, *, line_length: int = LINE
) -> Tally:
    """Serve the line. ``take`` picks a place of it; ``run(model, others in line)`` loads, and returns its seconds."""
    tally = Tally()
    line: list[Waiting] = []
    entered: dict[str, float] = {}
    arrived = 0
    while line or arrived < len(jobs.models):
        if not line:
            clock.now = max(clock.now, jobs.arrivals[arrived])
        while len(line) < line_length and arrived < len(jobs.models) and jobs.arrivals[arrived] <= clock.now:
            line.append(Waiting(str(arrived), _job_of(jobs.models[arrived]), 0.0, 0))
            entered[str(arrived)] = clock.now
            arrived += 1
        line = [replace(w, waited_seconds=clock.now - entered[w.job_id]) for w in line]
        place = take(line)
        taken = line.pop(place)
        line = [replace(w, skips=w.skips + (index < place)) for index, w in enumerate(line)]
        tally.waits.append(clock.now - jobs.arrivals[int(taken.job_id)])
        model = jobs.models[int(taken.job_id)]
        tally.load_seconds += run(model, [jobs.models[int(w.job_id)] for w in line])
        clock.now += service_seconds[model]
    return tally


def serve(
    way: Way,
    jobs: Trace,
    service_seconds: Mapping[str, float],
    residency: Residency,
    stages_of: Callable[[str], Stages],
    clock: Clock,
) -> Tally:
    """Serve the line through ``residency``, stage by stage as the engine does."""
    before: str | None = None

    def keys(model: str) -> set[str]:
        return {component.key for stage in stages_of(model) for component in stage}

    def loading_seconds(job: RenderJob) -> float:
        return sum(residency.loading_seconds(c) for stage in stages_of(job.model.slug) for c in stage)

    def best(line: list[Waiting]) -> int:
        choice = choose(
            line,
            way.bounds,
            can_hold=lambda waiting: True,
            loading_seconds=loading_seconds,
            service_seconds=lambda job: service_seconds[job.model.slug],
        )
        assert choice.taken is not None
        return line.index(choice.taken)

    def run(model: str, others: list[str]) -> float:
        nonlocal before
        if way.empties(before, model):
            residency.evict_all()
        before = model
        residency.upcoming = [keys(m) for m in [model, *others]] if way.sees_line else ()
        began = clock.now
        for stage in stages_of(model):
            with clock.loading(), residency.lease(stage):
                pass
        return clock.now - began

    tally = walk(jobs, service_seconds, clock, best if way.reorders else in_turn, run, line_length=way.line)
    counters = residency.counters
    tally.loaded_bytes = counters["loaded_bytes"]
    tally.loads, tally.evictions = counters["loads"], counters["evictions"]
    tally.hit_rate = counters["hits"] / (counters["hits"] + counters["misses"])
    return tally


def _job_of(model: str) -> RenderJob:
    return RenderJob(
        generation_id="g",
        attempt=1,
        model=ModelSpec(slug=model, version=1, family="", source=model),
        mode="text",
        prompt="",
        seed=0,
        width=1,
        height=1,
        num_frames=1,
        fps=1,
        steps=1,
        outputs={},
        timeout_seconds=600,
    )


# --- tables ---


def interval(values: Sequence[float], digits: int = 2) -> str:
    """Mean and half of its 95 % interval, by Student's t."""
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    student = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}[min(len(values), 10)]
    half = student * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.{digits}f} ± {half:.{digits}f}"


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def cells(tallies: Sequence[Tally], unit_bytes: float, *, digits: int = 0) -> list[str]:
    """Loading, hits, bytes and waits (in seconds to so many ``digits``) of one way, each with its interval."""
    jobs = len(tallies[0].waits)
    waits = [[percentile(t.waits, part) for t in tallies] for part in (0.5, 0.95, 1.0)]
    return [
        f"{interval([t.load_seconds / jobs for t in tallies])} s",
        f"{statistics.mean(t.hit_rate for t in tallies):.0%}",
        interval([t.loaded_bytes / unit_bytes / jobs for t in tallies]),
        " / ".join(interval(values, digits) for values in waits),
    ]


def ratio(tallies: Sequence[Tally], others: Sequence[Tally]) -> float:
    return sum(t.load_seconds for t in tallies) / sum(t.load_seconds for t in others)
