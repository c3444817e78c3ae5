"""Those who say when a clip is ready, from what each may know of a simulated site: today's forecast, which learns from
reports; one who knows every service time's distribution beside; an oracle, which knows every distribution and no draw;
and the formula that came before."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from benchmarks.forecast_world import (
    BYTES_PER_SECOND,
    CARD,
    COMPONENT_GIB,
    FREE,
    GIB,
    LOAD_NOISE,
    Build,
    Gpu,
    Order,
    World,
)
from generation.scheduling import arrivals, front
from generation.scheduling.arrival_hours import ArrivalHours
from generation.scheduling.calibration import Range
from generation.scheduling.forecast import NEAR_CLIPS, forecast
from generation.scheduling.outages import Watch
from generation.scheduling.pace import Pace
from generation.scheduling.service_times import AS_BELIEVED, ServiceTimes, Spread, together
from generation.scheduling.snapshot import Arrivals, Clip, Component, InHand, Kind, Machine, Outages, Snapshot, Stretch


class Knowledge(Protocol):
    """What a forecaster knows of times and of who will come."""

    def service(self, build: Build) -> Spread: ...

    def remaining(self, order: Order, now: float) -> Spread: ...

    def load_seconds(self, size_bytes: int) -> float: ...

    def arrivals(self, world: World) -> Arrivals: ...

    def outages(self, world: World) -> Outages: ...

    def away(self, world: World) -> list[Machine]: ...

    def slowness(self, gpu: Gpu, now: float) -> Spread: ...


def _progress(order: Order, now: float) -> tuple[int, float, float]:
    """Steps made, seconds since the last of them (or since loading ended), and seconds of loading still to come."""
    fixed = order.stage_seconds()["encoding_prompt"]
    since = now - (order.started or now) - order.load_seconds
    if since < 0:
        return 0, 0.0, -since
    if since < fixed:
        return 0, since, 0.0
    done = min(order.build.steps, int((since - fixed) / order.step_seconds))
    return done, since - fixed - done * order.step_seconds, 0.0


class Learned:
    """What the site learns from reports and requests."""

    def __init__(self) -> None:
        self.times = ServiceTimes()
        self._came: deque[tuple[float, Kind]] = deque(maxlen=arrivals.KEPT)
        self._hours = ArrivalHours()
        self._watch = Watch()
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)

    def see(self, world: World) -> None:
        """Look which machines are on, as the beat does."""
        self._watch.see({gpu.name: gpu.budget_bytes for gpu in world.gpus if gpu.is_on}, (), world.now)

    def hear_arrival(self, order: Order) -> None:
        kind = _kind(order, self.service(order.build))
        self._came.append((order.at, kind))
        self._hours.see(1, order.at)

    def hear_end(self, order: Order) -> None:
        on_card = sum(order.stage_seconds().values()) - order.load_seconds
        believed = self.times.service(order.build.work).median_seconds
        self._paces[order.gpu].see(on_card, believed, order.ended or 0.0)
        self.times.learn(order.build.work, order.stage_seconds())
        self.times.learn_load(CARD, order.loaded_bytes, order.load_seconds)

    def service(self, build: Build) -> Spread:
        return self.times.service(build.work)

    def remaining(self, order: Order, now: float) -> Spread:
        done, since, loading = _progress(order, now)
        pace = order.step_seconds if done >= 2 else None
        slow = self._paces[order.gpu].slowness(now)
        left = self.times.remaining(
            order.build.work, steps_done=done, seconds_per_step=pace, since_step_seconds=since, slowness=slow
        )
        return Spread(left.median_seconds + loading, left.sd, left.doubt)

    def load_seconds(self, size_bytes: int) -> float:
        return self.times.load_seconds(CARD, size_bytes)

    def arrivals(self, world: World) -> Arrivals:
        return arrivals.learn(list(self._came), world.now, self._hours)

    def outages(self, world: World) -> Outages:
        return self._watch.outages()

    def away(self, world: World) -> list[Machine]:
        return self._watch.away(world.now)

    def slowness(self, gpu: Gpu, now: float) -> Spread:
        order = gpu.makes
        if order is None or _progress(order, now)[0] < 2:
            return self._paces[gpu.name].slowness(now)
        believed = self.times.seconds_per_step(order.build.work)
        return self._paces[gpu.name].slowness(now, took_seconds=order.step_seconds, believed_seconds=believed)


class KnowsServiceTimes(Learned):
    """Knows the distribution of every service time, and learns all else as the site does."""

    def __init__(self, bytes_per_second: float = BYTES_PER_SECOND) -> None:
        super().__init__()
        self._oracle = Oracle(bytes_per_second)

    def service(self, build: Build) -> Spread:
        return self._oracle.service(build)

    def remaining(self, order: Order, now: float) -> Spread:
        return self._oracle.remaining(order, now)

    def load_seconds(self, size_bytes: int) -> float:
        return self._oracle.load_seconds(size_bytes)

    def slowness(self, gpu: Gpu, now: float) -> Spread:
        return self._oracle.slowness(gpu, now)


class Oracle:
    """Knows the true medians and spreads, at what rate and in what batches clips come now, how often GPUs die and for
    how long."""

    def __init__(self, bytes_per_second: float = BYTES_PER_SECOND) -> None:
        self._came: deque[Order] = deque(maxlen=400)
        self._bytes_per_second = bytes_per_second

    def hear_arrival(self, order: Order) -> None:
        self._came.append(order)

    def service(self, build: Build) -> Spread:
        pace, rest = build.step_seconds * build.steps, build.decode_seconds + build.fixed_seconds
        return together(Spread(pace, build.noise), Spread(rest, build.others_noise))

    def remaining(self, order: Order, now: float) -> Spread:
        build = order.build
        done, since, loading = _progress(order, now)
        if done < 2:
            whole = self.service(build)
            return Spread(max(0.1, whole.median_seconds - since - done * build.step_seconds) + loading, whole.sd)
        rest = build.decode_seconds + build.fixed_seconds / 2
        left = max(0.05 * rest, (build.steps - done) * order.step_seconds + rest - since)
        return Spread(left, min(0.5, build.others_noise * rest / left))

    def load_seconds(self, size_bytes: int) -> float:
        return size_bytes / self._bytes_per_second * math.exp(LOAD_NOISE**2 / 2)

    def arrivals(self, world: World) -> Arrivals:
        asked = {build.name for build, _ in world.mix}
        kinds = tuple(_kind(order, self.service(order.build)) for order in self._came if order.build.name in asked)
        return Arrivals(world.rate, 0.0, kinds, world.batches)

    def outages(self, world: World) -> Outages:
        return world.outages

    def away(self, world: World) -> list[Machine]:
        away = [gpu for gpu in world.gpus if not gpu.is_on]
        return [Machine(gpu.name, gpu.budget_bytes, away=Spread(gpu.back_at - world.now, 0.0)) for gpu in away]

    def slowness(self, gpu: Gpu, now: float) -> Spread:
        return AS_BELIEVED


def snapshot_of(world: World, knows: Knowledge) -> Snapshot:
    """The world at this moment as that knowledge sees it."""
    known = {order.build for order in [*world.line, *world.queue, *(gpu.makes for gpu in world.gpus if gpu.makes)]}
    arrivals = knows.arrivals(world)
    builds = {build.name: build.components for build in known}
    components = {build.name: build.components for build in world.every_build}
    builds |= {kind.build: components[kind.build] for kind in arrivals.kinds}
    queue = sorted(world.queue, key=lambda order: order.tag)
    near, far = queue[:NEAR_CLIPS], queue[NEAR_CLIPS:]
    return Snapshot(
        machines=(*(_machine(gpu, world.now, knows) for gpu in world.gpus if gpu.is_on), *knows.away(world)),
        window=tuple(_clip(order, knows, world.now) for order in world.line),
        queue=tuple(_clip(order, knows, None) for order in near),
        deep=tuple(_stretches([_clip(order, knows, None) for order in far], before=len(near))),
        clock=world.clock[False],
        free_clock=world.clock[True],
        arrivals=arrivals,
        outages=knows.outages(world),
        components={
            key: Component(int(gib * GIB), knows.load_seconds(int(gib * GIB))) for key, gib in COMPONENT_GIB.items()
        },
        builds=builds,
    )


def _stretches(clips: list[Clip], *, before: int) -> Iterator[Stretch]:
    """As ``front`` counts what comes after the first ``before`` of the queue."""
    if not clips:
        return
    begins = [rank - before - 1 for rank in front.ranks(before, before + len(clips))]
    for begin, end in zip(begins, [*begins[1:], len(clips)], strict=True):
        part = clips[begin:end]
        seconds = sum(clip.service.mean_seconds for clip in part)
        yield Stretch(part[-1].tag, len(part), seconds, part[-1].asked_at, part[(len(part) - 1) // 2].tag)


def _machine(gpu: Gpu, now: float, knows: Knowledge) -> Machine:
    in_hand = InHand(gpu.makes.id, knows.remaining(gpu.makes, now)) if gpu.makes else None
    return Machine(gpu.name, gpu.budget_bytes, tuple(gpu.residents), in_hand, slowness=knows.slowness(gpu, now))


def _clip(order: Order, knows: Knowledge, now: float | None) -> Clip:
    waited = 0.0 if now is None else now - order.entered
    build = order.build
    service = knows.service(build)
    return Clip(
        order.id,
        build.name,
        order.tag,
        service,
        build.needs_bytes,
        waited,
        order.skips,
        passes=order.passes,
        asked_at=order.at,
    )


def _kind(order: Order, service: Spread) -> Kind:
    build = order.build
    return Kind(build.name, order.above_clock, service, build.needs_bytes, is_free=order.tier == FREE)


def ready(world: World, knows: Knowledge, random: np.random.Generator, plays: int) -> Mapping[str, Range]:
    """When each open clip is ready, in seconds from now, by playing forward."""
    snapshot = snapshot_of(world, knows)
    said = forecast(snapshot, random, plays=plays)
    ranges = {id: expected.ready for id, expected in said.by_id.items()}
    for order in world.queue:
        if order.id not in ranges and (expected := said.at(order.tag, knows.service(order.build), asked_at=order.at)):
            ranges[order.id] = expected.ready
    return ranges


class FormerFormula:
    """Place by what clips of this very model took: median and 90th percentile of the last twenty."""

    def __init__(self) -> None:
        self._took: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=20))

    def hear_end(self, order: Order) -> None:
        self._took[order.build.name].append((order.ended or 0.0) - (order.started or 0.0))

    def ready(self, world: World) -> Mapping[str, Range]:
        queue = sorted(world.queue, key=lambda order: order.tag)
        gpus = [gpu for gpu in world.gpus if gpu.is_on]
        running = [gpu.makes for gpu in gpus if gpu.makes]
        places = {order.id: 0 for order in running}
        places |= {order.id: len(running) + n for n, order in enumerate([*world.line, *queue])}
        said = {}
        for order in [*running, *world.line, *queue]:
            took = sorted(self._took[order.build.name])
            median, slow = (took[len(took) // 2], took[len(took) * 9 // 10]) if took else (5.0, 60.0)
            rounds = places[order.id] / max(1, len(gpus))
            low, high = median * (rounds + 0.5), slow * (rounds + 1)
            said[order.id] = Range(low, (low + high) / 2, high)
        return said
