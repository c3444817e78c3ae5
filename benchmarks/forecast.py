"""Whether forecasts come true: coverage and width by horizon, against the formula before and against who knows more.

    python -m benchmarks.forecast             # three minutes of processor time
    python -m benchmarks.forecast --quick     # half a minute of it
    python -m benchmarks.forecast --trace benchmarks/traces/preview.json      # as manage.py queue_trace writes it
    python -m benchmarks.forecast --trace benchmarks/traces/preview.json --faster 2

Each clip of a simulated site (``forecast_world``) is told a range when it is asked for and whenever its wait comes into
a shorter horizon; what is counted is whether it was ready before the upper end, and inside. Two others play the same
queue forward: one who knows every service time's distribution, and an oracle that knows the rate of arrivals and how
machines are lost, too. Widths are compared clip by clip; the last line's is that against the oracle.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.tenancy import set_up_django

if __name__ == "__main__":
    set_up_django("postgres://nobody@127.0.0.1:1/none")  # the fair queue's rule stands beside its tables

from benchmarks.forecast_recorded import RecordedWorld, read
from benchmarks.forecast_world import TRACES, Order, Trace, World
from benchmarks.forecasters import FormerFormula, KnowsServiceTimes, Learned, Oracle, ready
from generation.scheduling.calibration import Calibration, Range, horizon_of

HORIZONS = ("< 30 s", "30 s - 2 min", "2 - 10 min", "> 10 min")
WARM_UP = 80
"""Clips before anything is counted: a site that has begun to know its models."""


@dataclass(slots=True)
class Told:
    """One clip's range when its wait came into a horizon, by everybody, and when it was ready."""

    tier: str
    at: float
    horizon: int
    is_counted: bool
    raw: Range
    corrected: Range
    informed: Range | None
    """By one who knows every service time's distribution."""
    oracle: Range | None
    former: Range
    came: float | None = None


@dataclass(slots=True)
class Tally:
    """What came of them."""

    told: list[Told] = field(default_factory=list)

    def line(self, name: str, by: str, horizon: int | None = None) -> str:
        rows = [each for each in self.told if horizon in (None, each.horizon) and each.came is not None]
        if len(rows) < 10:
            return f"| {name} | {len(rows)} | | | | |"
        before, inside = shares(rows, by)
        widths = f"{width(rows, by, 'informed'):.2f} | {width(rows, by, 'oracle'):.2f}"
        return f"| {name} | {len(rows)} | {100 * before:.0f} % | {100 * inside:.0f} % | {widths} |"


def shares(rows: Iterable[Told], by: str) -> tuple[float, float]:
    """Of all that were told: ready before the upper end, and inside the range."""
    ends = [(row.came or 0.0, getattr(row, by)) for row in rows if getattr(row, by) is not None]
    before = sum(came <= said.high for came, said in ends)
    inside = sum(said.low <= came <= said.high for came, said in ends)
    return before / max(1, len(ends)), inside / max(1, len(ends))


def width(rows: Iterable[Told], by: str, against: str = "oracle") -> float:
    """Width of the ranges, all together, against another's."""
    both = [(getattr(row, by), other) for row in rows if (other := getattr(row, against)) is not None]
    both = [pair for pair in both if pair[0] is not None]
    logs = [np.log(max(1e-3, own.high - own.low) / max(1e-3, other.high - other.low)) for own, other in both]
    return float(np.exp(np.mean(logs))) if logs else float("nan")


class Site:
    """One world, with everybody who says something about it."""

    def __init__(
        self, world: World, *, seed: int, plays: int, every: int, oracle_every: int = 1, warm_up: int = WARM_UP
    ) -> None:
        self.world, self.tally = world, Tally()
        self._warm_up = warm_up
        self._random, self._plays, self._every, self._oracle_every = (
            np.random.default_rng(seed),
            plays,
            every,
            oracle_every,
        )
        self._others_random = np.random.default_rng([seed, 1])
        self._ticks = 0
        self._learned, self._informed, self._oracle, self._former, self._calibration = (
            Learned(),
            KnowsServiceTimes(world.bytes_per_second),
            Oracle(world.bytes_per_second),
            FormerFormula(),
            Calibration(),
        )
        self._open: dict[str, list[Told]] = defaultdict(list)
        self._asked, self._clips = 0, world.clips
        world.at_arrival, world.at_end = self._arrival, self._end

    def _arrival(self, order: Order) -> None:
        for learned in (self._learned, self._informed):
            learned.see(self.world)
            learned.hear_arrival(order)
        self._oracle.hear_arrival(order)
        self._asked += 1
        is_asked_about = self._warm_up // 2 < self._asked <= self._clips
        if self._asked % self._every == 0 and is_asked_about and any(g.is_on for g in self.world.gpus):
            self.world.soon(self._tell)

    def _end(self, order: Order) -> None:
        for learned in (self._learned, self._informed):
            learned.see(self.world)
            learned.hear_end(order)
        self._former.hear_end(order)
        for told in self._open.pop(order.id, ()):
            told.came = self.world.now - told.at
            self._calibration.learn(told.raw, told.came, told.tier)
            if told.is_counted:
                self.tally.told.append(told)

    def _tell(self) -> None:
        world = self.world
        said = ready(world, self._learned, self._random, self._plays)
        is_compared = self._ticks % self._oracle_every == 0
        oracle = ready(world, self._oracle, self._random, self._plays) if is_compared else {}
        informed = ready(world, self._informed, self._others_random, self._plays) if is_compared else {}
        self._ticks += 1
        former = self._former.ready(world)
        running = [gpu.makes for gpu in world.gpus if gpu.is_on and gpu.makes]
        for order in [*running, *world.line, *world.queue]:
            raw = said[order.id]
            horizon = horizon_of(raw.mid)
            if any(told.horizon <= horizon for told in self._open[order.id]):
                continue
            corrected = self._calibration.correct(raw, order.tier)
            self._open[order.id].append(
                Told(
                    order.tier,
                    world.now,
                    horizon,
                    self._asked > self._warm_up,
                    raw,
                    corrected,
                    informed.get(order.id),
                    oracle.get(order.id),
                    former[order.id],
                )
            )


def play(
    trace: Trace, *, gpus: int, load: float, clips: int, seed: int, plays: int, every: int, oracle_every: int = 1
) -> list[Told]:
    """Everything that was told in one world."""
    world = World(seed=seed, gpus=gpus, load=load, clips=clips, trace=trace)
    site = Site(world, seed=seed, plays=plays, every=every, oracle_every=oracle_every)
    world.run()
    return site.tally.told


def play_recorded(file: Path, *, faster: float = 1.0) -> list[Told]:
    """The same in a recorded world: who came, and what each clip took, is as it was there, but so much faster does the
    next one come."""
    world = RecordedWorld(read(file), faster=faster)
    site = Site(world, seed=0, plays=100, every=3, oracle_every=2, warm_up=min(WARM_UP, world.clips // 4))
    world.run()
    return site.tally.told


def table(told: list[Told]) -> None:
    print("| horizon | told | ready before p90 | inside | width against who knows service times | against the oracle |")
    print("|---|---|---|---|---|---|")
    tally = Tally(told)
    for by, name in (
        ("corrected", "forecast"),
        ("raw", "uncorrected"),
        ("informed", "who knows service times"),
        ("oracle", "oracle"),
        ("former", "formula before"),
    ):
        for horizon, label in enumerate(HORIZONS):
            print(tally.line(f"{name}, {label}", by, horizon))
        print(tally.line(f"{name}, all", by))


def worlds(*, is_quick: bool) -> Iterable[Mapping[str, object]]:
    """What is played."""
    mixed = [(gpus, load) for gpus in (1, 2, 4) for load in (0.8, 0.95, 1.1)]
    for gpus, load in mixed:
        yield {"trace": TRACES["mixed"], "gpus": gpus, "load": load}
    for name in ("bursts", "dying GPU", "swap", "prices"):
        for gpus, load in ((2, 0.95),) if is_quick else ((2, 0.95), (4, 0.95)):
            yield {"trace": TRACES[name], "gpus": gpus, "load": load}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer clips, worlds and futures")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trace", type=Path, help="a recorded queue, in place of simulated ones")
    parser.add_argument("--faster", type=float, default=1.0, help="of that queue, asked for so many times as fast")
    arguments = parser.parse_args()
    began = time.monotonic()
    told: list[Told] = play_recorded(arguments.trace, faster=arguments.faster) if arguments.trace else []
    by_trace: dict[str, list[Told]] = defaultdict(list)
    for seed in range(0 if arguments.trace else 1 if arguments.quick else arguments.seeds):
        for world in worlds(is_quick=arguments.quick):
            size = (
                {"clips": 260, "plays": 50, "every": 14, "oracle_every": 4}
                if arguments.quick
                else {"clips": 400, "plays": 100, "every": 8, "oracle_every": 2}
            )
            rows = play(seed=seed, **size, **world)  # type: ignore[arg-type]
            by_trace[world["trace"].name] += rows  # type: ignore[attr-defined]
            told += rows
    table(told)
    print(f"\n{len(told)} ranges in {time.monotonic() - began:.0f} s")
    for name, rows in by_trace.items():
        print(Tally(rows).line(f"{name}, forecast", "corrected"), Tally(rows).line("oracle", "oracle"))
    before, inside = shares(told, "corrected")
    print(f"before p90 {100 * before:.0f} % inside {100 * inside:.0f} % width {width(told, 'corrected'):.2f}")


if __name__ == "__main__":
    main()
