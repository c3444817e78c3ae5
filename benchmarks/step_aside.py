"""What stepping aside is worth: the wait of short clips beside renders of an hour, with it and without.

    python -m benchmarks.step_aside            # 20 weeks for each number of GPUs
    python -m benchmarks.step_aside --quick    # within ten seconds

Clips of one line come at random: short ones of 20 and 45 seconds, and one in a hundred that takes an hour. Each GPU
takes the next by the worker's own rule, ``job_choice.choose``, and lets some go first by ``step_aside.steps_aside`` as
a worker with the default settings does, asked at every step. Weights are loaded and put out; what steps aside loads its
own again.

The last line is ``short p95 NN s for NN s, long N.N % later``: the wait of short clips until they start, with stepping
aside and without, and how much longer the long ones took from request to end.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from statistics import fmean, quantiles

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.job_choice import Bounds, Waiting, choose
from gpu_worker.step_aside import AsideBounds, steps_aside

SECONDS = {"short": 20.0, "medium": 45.0, "long": 3600.0}
STEPS = {"short": 20, "medium": 30, "long": 300}
LOADING = {"short": 3.0, "medium": 5.0, "long": 15.0}
SHARES = {"short": 0.66, "medium": 0.33, "long": 0.01}
LOAD = 0.7
"""Of all GPUs, by what clips take without loading."""
NEVER, DEFAULT = AsideBounds(times=0), AsideBounds()


@dataclass(slots=True)
class Clip:
    """One clip, and how much of it is made."""

    job: RenderJob
    came: float
    entered: float
    started: float | None = None
    ended: float = 0.0
    steps_done: int = 0
    skips: int = 0

    @property
    def kind(self) -> str:
        return self.job.model.slug

    @property
    def step_seconds(self) -> float:
        return SECONDS[self.kind] / STEPS[self.kind]


@dataclass(slots=True)
class Gpu:
    """A card that holds the weights of one model."""

    name: str
    resident: str = ""
    makes: Clip | None = None
    aside: Clip | None = None
    aside_until: float = 0.0


@dataclass(slots=True)
class World:
    """A site with one line. ``bounds`` says when a render steps aside."""

    bounds: AsideBounds
    gpus: list[Gpu]
    line: list[Clip] = field(default_factory=list)
    done: list[Clip] = field(default_factory=list)
    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: count[int] = field(default_factory=count)

    def run(self, clips: Sequence[Clip]) -> list[Clip]:
        for clip in clips:
            self._at(clip.came, lambda clip=clip: self._come(clip))  # type: ignore[misc]
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        return self.done

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._count), happen))

    def _come(self, clip: Clip) -> None:
        self.line.append(clip)
        for gpu in self.gpus:
            if gpu.makes is None:
                self._take(gpu)

    def _steps_aside(self, gpu: Gpu, clip: Clip, first: Clip) -> bool:
        return steps_aside(
            replace(clip.job, times_aside=clip.job.times_aside - (gpu.makes is None)),  # as when it stepped aside
            first.job,
            self.bounds,
            left_seconds=(STEPS[clip.kind] - clip.steps_done) * clip.step_seconds,
            service_seconds=SECONDS[first.kind],
            loading_seconds=loading_seconds(gpu, first.job),
        )

    def _next(self, gpu: Gpu, but: Clip | None = None) -> Clip | None:
        waiting = [
            Waiting(c.job.generation_id, c.job, self.now - c.entered, c.skips) for c in self.line if c is not but
        ]
        taken = choose(
            waiting,
            Bounds(),
            can_hold=lambda each: each.job is None or each.job.kept_by in ("", gpu.name),
            loading_seconds=lambda job: loading_seconds(gpu, job),
            service_seconds=lambda job: SECONDS[job.model.slug],
        ).taken
        return None if taken is None else next(c for c in self.line if c.job.generation_id == taken.job_id)

    def _take(self, gpu: Gpu) -> None:
        aside, gpu.aside = gpu.aside, None
        clip = None
        if aside is not None and self.now < gpu.aside_until:
            first = self._next(gpu, aside)
            if first is not None and self._steps_aside(gpu, aside, first):
                clip, gpu.aside = first, aside
        clip = clip or self._next(gpu)
        if clip is None:
            return
        for before in self.line[: self.line.index(clip)]:
            before.skips += before is not gpu.aside
        self.line.remove(clip)
        gpu.makes, clip.started = clip, self.now if clip.started is None else clip.started
        loads = loading_seconds(gpu, clip.job)
        gpu.resident = clip.kind
        self._at(self.now + loads + clip.step_seconds, lambda: self._step(gpu, clip))

    def _step(self, gpu: Gpu, clip: Clip) -> None:
        clip.steps_done += 1
        left = STEPS[clip.kind] - clip.steps_done
        if not left:
            gpu.makes, clip.ended = None, self.now
            self.done.append(clip)
            self._take(gpu)
            return
        may = self.bounds.times and left * clip.step_seconds >= self.bounds.least_left_seconds
        first = self._next(gpu) if may else None
        if first is not None and self._steps_aside(gpu, clip, first):
            clip.job = replace(clip.job, times_aside=clip.job.times_aside + 1, kept_by=gpu.name)
            clip.entered, clip.skips = self.now, 0
            self.line.insert(0, clip)
            gpu.makes, gpu.aside, gpu.aside_until = None, clip, self.now + self.bounds.seconds
            self._take(gpu)
            return
        self._at(self.now + clip.step_seconds, lambda: self._step(gpu, clip))


def loading_seconds(gpu: Gpu, job: RenderJob) -> float:
    return 0.0 if gpu.resident == job.model.slug else LOADING[job.model.slug]


def asked(random: Random, *, gpus: int, days: float) -> list[Clip]:
    """Who comes in so many days."""
    each_seconds = sum(SECONDS[kind] * share for kind, share in SHARES.items()) / (LOAD * gpus)
    clips: list[Clip] = []
    at = random.expovariate(1 / each_seconds)
    while at < days * 86_400:
        kind = random.choices(list(SHARES), list(SHARES.values()))[0]
        clips.append(Clip(_job(kind, str(len(clips))), at, at))
        at += random.expovariate(1 / each_seconds)
    return clips


def _job(kind: str, id: str) -> RenderJob:
    return RenderJob(
        generation_id=id, attempt=1, model=ModelSpec(slug=kind, version=1, family="", source=""), mode="text",
        prompt="", seed=0, width=1, height=1, num_frames=1, fps=1, steps=STEPS[kind], outputs={}, timeout_seconds=1,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    days = 7.0 if parser.parse_args().quick else 140.0
    print(
        "| GPUs | stepping aside | short: mean wait | p95 | long: request to end | stepped aside |\n"
        "|---|---|---|---|---|---|"
    )
    short: dict[bool, list[float]] = {False: [], True: []}
    long: dict[bool, list[float]] = {False: [], True: []}
    for gpus in (1, 2, 4):
        for steps in (False, True):
            world = World(DEFAULT if steps else NEVER, [Gpu(f"gpu-{n}") for n in range(gpus)])
            done = world.run(asked(Random(gpus), gpus=gpus, days=days))
            waits = [(c.started or 0.0) - c.came for c in done if c.kind != "long"]
            took = [c.ended - c.came for c in done if c.kind == "long"]
            times = fmean(c.job.times_aside for c in done if c.kind == "long")
            short[steps] += waits
            long[steps] += took
            print(
                f"| {gpus} | {'yes' if steps else 'no'} | {fmean(waits):.0f} s | {p95(waits):.0f} s | "
                f"{fmean(took):.0f} s | {times:.1f} times |"
            )
    later = 100 * (fmean(long[True]) / fmean(long[False]) - 1)
    print(f"\nshort mean {fmean(short[True]):.0f} s for {fmean(short[False]):.0f} s")
    print(f"short p95 {p95(short[True]):.0f} s for {p95(short[False]):.0f} s, long {later:.1f} % later")


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
