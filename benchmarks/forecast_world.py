"""A site's queue and its GPUs, simulated clip by clip under the rules that run: the fair queue's tags, the window, the
worker's choice. Six models of 4 to 400 seconds, the shorter the more popular, a swing of the rate, a trace's events."""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from generation.scheduling.fair_queue import next_finish
from generation.scheduling.service_times import Spread, Work
from generation.scheduling.snapshot import Outages
from generation.scheduling.window import InLine, Window
from generation.tiers import FREE_BEGINS, pass_first, yields
from gpu_worker.contract import ModelSpec, RenderJob, Stage
from gpu_worker.job_choice import Bounds, Waiting, choose
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS

GIB = 2**30
BYTES_PER_SECOND = 2.0 * GIB
BUDGETS_GIB = {1: (40,), 2: (40, 40), 4: (20, 40, 40, 60)}
"""By number of GPUs. The smallest holds half of the models."""
COMPONENT_GIB = {
    "t5": 4.8,
    "umt5": 5.7,
    "llama": 7.5,
    "ltx-13b": 13.0,
    "ltx-2b": 3.9,
    "wan-14b": 14.3,
    "wan-1.3b": 1.4,
    "hunyuan": 12.8,
    "cogvideox-5b": 5.6,
}
CARD = "card"
FREE, PAID = "free", "paid"
TIER_WEIGHT = {FREE: 1.0, PAID: 3.0}
PAID_SHARE, WORKSPACES = 0.3, 20
ZIPF = 0.8
SWING, SWING_CLIPS = 0.5, 400
LOAD_NOISE = 0.1
TAIL = 1.5
"""Others come for so much longer: whoever waits at the end waits as on any day."""


@dataclass(frozen=True, slots=True)
class Build:
    """What one model loads and takes. ``noise`` is of the pace from one clip to the next, ``others`` of what remains:
    standard deviations of the logarithm."""

    name: str
    components: tuple[str, ...]
    steps: int
    step_seconds: float
    decode_seconds: float
    fixed_seconds: float
    noise: float
    others_noise: float = 0.15
    formula_is_off: float = 1.0
    """The row's reference speed, as a multiple of the truth."""
    credits: int = 1

    @property
    def needs_bytes(self) -> int:
        return int((sum(COMPONENT_GIB[key] for key in self.components) + 1) * GIB)

    @property
    def mean_seconds(self) -> float:
        pace = self.step_seconds * self.steps * math.exp(self.noise**2 / 2)
        return pace + (self.decode_seconds + self.fixed_seconds) * math.exp(self.others_noise**2 / 2)

    @property
    def work(self) -> Work:
        seconds = self.mean_seconds * self.formula_is_off
        return Work(self.name, "text", "standard", CARD, self.steps, 1_000_000, reference_seconds=seconds)


def _build(name: str, components: str, seconds: float, noise: float, off: float, steps: int = 30) -> Build:
    return Build(
        name, tuple(components.split()), steps, 0.85 * seconds / steps, 0.12 * seconds, 0.03 * seconds, noise,
        formula_is_off=off, credits=max(1, round(seconds)),
    )  # fmt: skip


BUILDS = (
    _build("wan-1.3b", "umt5 wan-1.3b", 4, 0.30, 1.3, steps=8),
    _build("ltx-2b", "t5 ltx-2b", 20, 0.30, 0.8),
    _build("cogvideox-5b", "t5 cogvideox-5b", 45, 0.25, 1.2, steps=50),
    _build("ltx-13b", "t5 ltx-13b", 90, 0.25, 0.7),
    _build("wan-14b", "umt5 wan-14b", 240, 0.30, 1.4, steps=40),
    _build("hunyuan", "llama hunyuan", 400, 0.30, 0.9, steps=50),
)
SWAPPED = {"cogvideox-5b": _build("wan-14b-fast", "umt5 wan-14b", 75, 0.25, 0.6, steps=12)}
"""What a model's row names after a swap."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What happens beside arrivals. Moments are shares of all clips."""

    name: str
    burst_every: int = 0
    """Of so many times that somebody comes they ask for ``burst_clips`` more at once."""
    burst_clips: int = 20
    dies_at: tuple[float, ...] = ()
    dead_seconds: float = 900.0
    swap_at: float = 2.0
    prices_at: float = 2.0


TRACES = {
    trace.name: trace
    for trace in (
        Trace("mixed"),
        Trace("bursts", burst_every=50),
        Trace("dying GPU", dies_at=(0.3, 0.6, 0.85)),
        Trace("swap", swap_at=0.5),
        Trace("prices", prices_at=0.5),
    )
}


@dataclass(slots=True)
class Order:
    """One clip from its request to its end."""

    id: str
    at: float
    build: Build
    tier: str
    tag: float
    above_clock: float
    step_seconds: float = 0.0
    rest_seconds: float = 0.0
    load_seconds: float = 0.0
    loaded_bytes: int = 0
    entered: float = 0.0
    skips: int = 0
    passes: int = 0
    says_yields: bool = False
    """Its job, which is told once."""
    started: float | None = None
    ended: float | None = None
    gpu: str = ""

    def stage_seconds(self) -> dict[str, float]:
        """As a report says it."""
        build = self.build
        before_steps = self.rest_seconds * build.fixed_seconds / (build.decode_seconds + build.fixed_seconds) / 2
        return {
            Stage.LOADING: self.load_seconds,
            Stage.ENCODING_PROMPT: before_steps,
            Stage.DENOISING: self.step_seconds * build.steps,
            Stage.DECODING: self.rest_seconds - before_steps,
        }


@dataclass(slots=True)
class Gpu:
    name: str
    budget_bytes: int
    residents: list[str] = field(default_factory=list)
    """Least recently used first."""
    makes: Order | None = None
    is_on: bool = True
    back_at: float = 0.0
    """When it is or was back, once it has died."""
    run: int = 0

    def missing(self, build: Build) -> float:
        return sum(COMPONENT_GIB[key] for key in build.components if key not in self.residents) * GIB

    def use(self, build: Build) -> None:
        self.residents = [key for key in self.residents if key not in build.components] + list(build.components)
        while sum(COMPONENT_GIB[key] for key in self.residents) * GIB > self.budget_bytes:
            self.residents.pop(0)


class World:
    """Everything that happens, in order. ``at_arrival`` is called with each clip that is asked for, when it has its
    tag and dispatch has run; ``at_end`` with each that ends."""

    def __init__(self, *, seed: int, gpus: int, load: float, clips: int, trace: Trace) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.clock = {False: 0.0, True: FREE_BEGINS}
        self.gpus = [Gpu(f"gpu-{n}", int(gib * GIB)) for n, gib in enumerate(BUDGETS_GIB[gpus])]
        self.queue: list[Order] = []
        self.line: list[Order] = []
        self.bytes_per_second = BYTES_PER_SECOND
        self.every_build: tuple[Build, ...] = (*BUILDS, *SWAPPED.values())
        self._bounds = Bounds()
        self._trace, self.clips, self._load = trace, clips, load
        self._last: dict[tuple[str, int], float] = {}
        self._builds = list(BUILDS)
        self._weights = [1 / (rank + 1) ** ZIPF for rank in range(len(BUILDS))]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._asked = 0
        self._mean_seconds = sum(
            weight * (build.mean_seconds + 0.3 * sum(COMPONENT_GIB[key] for key in build.components) / 2)
            for weight, build in zip(self._weights, self._builds, strict=True)
        ) / sum(self._weights)
        self._deaths = {int(share * clips) for share in trace.dies_at}
        self.at_arrival: Callable[[Order], None] = lambda order: None
        self.at_end: Callable[[Order], None] = lambda order: None

    @property
    def rate(self) -> float:
        """Clips a second at present, those of bursts among them."""
        swing = 1 + SWING * math.sin(2 * math.pi * self._asked / SWING_CLIPS)
        return float(self._load * len(self.gpus) / self._mean_seconds * swing)

    @property
    def outages(self) -> Outages:
        """How often a GPU dies, by the mean rate, and for how long."""
        seconds = self.clips * self._mean_seconds / (self._load * len(self.gpus))
        lasts = Spread(self._trace.dead_seconds, 0.0)
        return Outages(len(self._trace.dies_at) / (seconds * len(self.gpus)), lasts)

    @property
    def batches(self) -> tuple[int, ...]:
        """Sizes of what is asked for at once, one as likely as the next."""
        every = self._trace.burst_every
        return (*[1] * (every - 1), 1 + self._trace.burst_clips) if every else (1,)

    @property
    def mix(self) -> Iterator[tuple[Build, float]]:
        """Builds that are asked for, with their shares."""
        yield from zip(self._builds, self._weights, strict=True)

    def run(self) -> None:
        self._at(self.now, self._arrival)
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()

    def soon(self, happen: Callable[[], None]) -> None:
        """Have it happen once all that was asked for at once is there."""
        self._at(self.now, happen)

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._count), happen))

    def _arrival(self) -> None:
        number, trace = self._asked, self._trace
        if number == int(trace.swap_at * self.clips):
            self._builds = [SWAPPED.get(build.name, build) for build in self._builds]
        if number in self._deaths:
            self._die(self.gpus[-1 - len(self._deaths) % len(self.gpus)])
        batches = self.batches
        for _ in range(self.random.choice(batches)):
            self._ask()
        if self._asked < TAIL * self.clips:
            each_seconds = sum(batches) / len(batches) / self.rate
            self._at(self.now + self.random.expovariate(1 / each_seconds), self._arrival)

    def _ask(self) -> None:
        build = self.random.choices(self._builds, self._weights)[0]
        tier = PAID if self.random.random() < PAID_SHARE else FREE
        workspace = (tier, self.random.randrange(WORKSPACES))
        credits = build.credits
        if self._asked >= self._trace.prices_at * self.clips and build.name in ("wan-1.3b", "hunyuan"):
            credits = credits * 4 if build.name == "wan-1.3b" else credits // 3
        self._request(build, tier, workspace, credits)

    def _request(self, build: Build, tier: str, workspace: tuple[str, int], credits: int) -> None:
        last = self._last.get(workspace, 0.0)
        clock = self.clock[tier == FREE]
        tag = next_finish(now=clock, last_finish=last, cost=credits, weight=TIER_WEIGHT[tier])
        self._last[workspace] = tag
        order = Order(f"{self._asked}", self.now, build, tier, tag, tag - clock)
        self._asked += 1
        self.queue.append(order)
        self._dispatch()
        self.at_arrival(order)

    def _dispatch(self) -> None:
        budgets = [gpu.budget_bytes for gpu in self.gpus if gpu.is_on]
        window = Window(budgets, [InLine(order.build.needs_bytes, yields(order.tag)) for order in self.line])
        for order in sorted(self.queue, key=lambda order: order.tag):
            if window.take(order.build.needs_bytes, is_free=yields(order.tag)):
                self.queue.remove(order)
                self._join_line(order)
        idle = [gpu for gpu in self.gpus if gpu.is_on and gpu.makes is None]
        if any([self._take(gpu) for gpu in idle]) and self.queue:
            self._dispatch()

    def _join_line(self, order: Order) -> None:
        order.entered, order.skips, order.passes = self.now, 0, 0
        is_free = order.says_yields = yields(order.tag)
        self.clock[is_free] = max(self.clock[is_free], order.tag)
        place = next((n for n, each in enumerate(self.line) if yields(each.tag) and not is_free), len(self.line))
        if not is_free and (promoted := pass_first(self.line[place:])) is not None:
            promoted.tag = self.clock[False]
        self.line.insert(place, order)

    def _take(self, gpu: Gpu) -> bool:
        by_slug = {order.build.name: order.build for order in self.line}
        waiting = [
            Waiting(o.id, job_of(o.build, says_yields=o.says_yields), self.now - o.entered, o.skips) for o in self.line
        ]
        choice = choose(
            waiting,
            self._bounds,
            can_hold=lambda each: by_slug[each.job.model.slug].needs_bytes <= gpu.budget_bytes if each.job else True,
            loading_seconds=lambda job: gpu.missing(by_slug[job.model.slug]) / self.bytes_per_second,
            service_seconds=lambda job: by_slug[job.model.slug].mean_seconds,
        )
        if choice.taken is None:
            return False
        place = next(n for n, order in enumerate(self.line) if choice.taken.job_id == order.id)
        for order in self.line[:place]:
            order.skips += order.id not in choice.unfit
        self._start(gpu, self.line.pop(place))
        return True

    def _start(self, gpu: Gpu, order: Order) -> None:
        build = order.build
        order.started, order.gpu, gpu.makes = self.now, gpu.name, order
        order.loaded_bytes = int(gpu.missing(build))
        self._time(order)
        gpu.use(build)
        gpu.run += 1
        run = gpu.run
        took = order.load_seconds + order.step_seconds * build.steps + order.rest_seconds
        self._at(self.now + took, lambda: self._end(gpu, run))

    def _time(self, order: Order) -> None:
        """Say what a clip takes that has to load so many bytes."""
        build, dice = order.build, self.random
        order.load_seconds = order.loaded_bytes / self.bytes_per_second * math.exp(dice.gauss(0, LOAD_NOISE))
        order.step_seconds = build.step_seconds * math.exp(dice.gauss(0, build.noise))
        order.rest_seconds = (build.decode_seconds + build.fixed_seconds) * math.exp(dice.gauss(0, build.others_noise))

    def _end(self, gpu: Gpu, run: int) -> None:
        order = gpu.makes
        if run != gpu.run or order is None:
            return
        order.ended, gpu.makes = self.now, None
        self.at_end(order)
        self._dispatch()

    def _die(self, gpu: Gpu) -> None:
        """Its clip is handed on once its heartbeat is missed; until then nobody knows."""
        if not gpu.is_on:
            return
        gpu.run += 1
        gpu.back_at = self.now + self._trace.dead_seconds
        self._at(self.now + WORKER_DEAD_AFTER_SECONDS, lambda: self._miss(gpu))
        self._at(gpu.back_at, lambda: self._return(gpu))

    def _miss(self, gpu: Gpu) -> None:
        gpu.is_on, lost, gpu.makes, gpu.residents = False, gpu.makes, None, []
        if lost is not None:
            lost.started = None
            self.queue.append(lost)
        self._dispatch()

    def _return(self, gpu: Gpu) -> None:
        gpu.is_on = True
        self._dispatch()


@functools.cache
def job_of(build: Build, *, says_yields: bool) -> RenderJob:
    """As a worker sees one of its clips."""
    spec = ModelSpec(slug=build.name, version=1, family="", source="")
    return RenderJob(
        generation_id="", attempt=1, model=spec, mode="text", prompt="", seed=0, width=1, height=1, num_frames=1,
        fps=1, steps=build.steps, outputs={}, timeout_seconds=1, yields=says_yields,
    )  # fmt: skip
