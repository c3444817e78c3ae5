"""A recorded queue (``generation.scheduling.queue_trace``) as a world: who came, for what, and what each clip took."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import fmean, median, pstdev

from benchmarks.forecast_world import COMPONENT_GIB, FREE, GIB, PAID, TRACES, Build, Gpu, Order, World
from generation.scheduling.queue_trace import FORMAT, Kind, Trace

_LEAST_SECONDS = 1e-3
_RATE_CLIPS = 20
"""About each moment, by which the oracle knows how many come."""


def read(file: Path) -> Trace:
    """
    Raises:
        SystemExit: it is no trace of this format.
    """
    said = json.loads(file.read_text())
    if said.get("format") != FORMAT:
        raise SystemExit(f"{file} is no trace of format {FORMAT}: write one with manage.py queue_trace.")
    return Trace(FORMAT, said["machines"], said["models"], [Kind(**kind) for kind in said["kinds"]], said["clips"])


class RecordedWorld(World):
    """The site that a trace was recorded from. Its queue and its machines follow the rules of today.

    After the last clip of the recording others keep coming, drawn from it with the gap before each, until all of its
    own have started: whoever waits at its end waits as on any day. Their numbers go on after ``clips``.
    """

    def __init__(self, trace: Trace, *, faster: float = 1.0) -> None:
        """``faster``: so much sooner does each clip come, and a longer line with it."""
        super().__init__(seed=0, gpus=1, load=1.0, clips=len(trace.clips), trace=TRACES["mixed"])
        self._recorded = trace
        self._moments = [clip[0] / faster for clip in trace.clips]
        took: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        loads: defaultdict[int, list[float]] = defaultdict(list)
        for _, kind, _, _, _, loading, denoising, rest in trace.clips:
            took[int(kind)].append((max(_LEAST_SECONDS, denoising), max(_LEAST_SECONDS, rest)))
            loads[trace.kinds[int(kind)].model].append(loading)
        for model, needs_bytes in enumerate(trace.models):
            COMPONENT_GIB[_weights(model)] = max(0.01, needs_bytes / GIB - 1)
        self.every_build = tuple(_build(number, kind, took[number]) for number, kind in enumerate(trace.kinds))
        largest = max(build.needs_bytes for build in self.every_build)
        self.gpus = [Gpu(f"gpu-{n}", max(largest, size_bytes)) for n, size_bytes in enumerate(trace.machines)]
        # Whoever loaded took the longest of all clips of the model.
        paces = [COMPONENT_GIB[_weights(model)] * GIB / max(_LEAST_SECONDS, *each) for model, each in loads.items()]
        self.bytes_per_second = median(paces)
        self._times: dict[str, tuple[float, float]] = {}
        self._not_started = len(trace.clips)
        """Of the recording's own."""

    @property
    def rate(self) -> float:
        middle = bisect_left(self._moments, self.now)
        near = self._moments[max(0, middle - _RATE_CLIPS // 2) : middle + _RATE_CLIPS // 2]
        return (len(near) - 1) / max(_LEAST_SECONDS, near[-1] - near[0]) if len(near) > 1 else 0.0

    @property
    def mix(self) -> Iterator[tuple[Build, float]]:
        yield from ((build, 1.0) for build in self.every_build)

    def run(self) -> None:
        for number, moment in enumerate(self._moments):
            self._at(moment, partial(self._come, number))
        if len(self._moments) > 1:
            self._at(self._moments[-1], self._draw_next)
        super().run()

    def _arrival(self) -> None:
        """Nobody comes but by the recording."""

    def _draw_next(self) -> None:
        """Have one more come who is like one of the recording, while any of its own waits."""
        if self._not_started:
            number = self.random.randrange(1, len(self._moments))
            self._at(self.now + self._moments[number] - self._moments[number - 1], partial(self._come_again, number))

    def _come_again(self, number: int) -> None:
        self._come(number)
        self._draw_next()

    def _come(self, number: int) -> None:
        _, kind, is_free, line, credits, _, denoising, rest = self._recorded.clips[number]
        build = self.every_build[int(kind)]
        self._times[f"{self._asked}"] = max(_LEAST_SECONDS, denoising), max(_LEAST_SECONDS, rest)
        tier = FREE if is_free else PAID
        self._request(build, tier, (tier, int(line)), int(credits))

    def _start(self, gpu: Gpu, order: Order) -> None:
        self._not_started -= int(order.id) < self.clips
        super()._start(gpu, order)

    def _time(self, order: Order) -> None:
        denoising, order.rest_seconds = self._times[order.id]
        order.step_seconds = denoising / order.build.steps
        order.load_seconds = order.loaded_bytes / self.bytes_per_second


def _weights(model: int) -> str:
    return f"weights of recorded model {model}"


def _build(number: int, kind: Kind, took: list[tuple[float, float]]) -> Build:
    """What clips of one kind took, as the oracle knows it."""
    denoising, rest = zip(*took, strict=True)
    whole = fmean(map(sum, took))
    return Build(
        f"kind {number}",
        (_weights(kind.model),),
        max(1, kind.steps),
        median(denoising) / max(1, kind.steps),
        0.8 * median(rest),
        0.2 * median(rest),
        _spread(denoising),
        _spread(rest),
        formula_is_off=kind.reference_seconds / whole,
    )


def _spread(seconds: tuple[float, ...]) -> float:
    return max(0.02, pstdev(map(math.log, seconds)))
