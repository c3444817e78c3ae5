"""How much memory a stage needs beside the weights: a formula at first, then what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gpu_worker.engine.memory.measurements import read_json, write_json
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.families.memory import Estimate, Workload

_OTHER_SHAPE = 1.25
"""What is added when a figure is carried over from another shape."""
_AFTER_FAILURE = 1.3
_KEPT = 20


class Headroom:
    """Measured peaks by workload, kept in a file per host, and estimates from them."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._measured: dict[str, dict[str, list[int]]] = read_json(memory)
        self._raised: dict[str, dict[str, int]] = {}

    def estimate(self, workload: Workload) -> Estimate:
        """The largest of the last measurements; else carried over from the nearest shape; else by formula."""
        shape = str(workload.voxels)
        by_shape = self._measured.get(_group(workload), {})
        raised_bytes = self._raised.get(_group(workload), {}).get(shape, 0)
        if by_shape.get(shape):
            measured_bytes = max(by_shape[shape])
            return Estimate(max(measured_bytes, raised_bytes), raised_bytes <= measured_bytes)
        return Estimate(max(self._guess(workload, by_shape), raised_bytes), False)

    def _guess(self, workload: Workload, by_shape: Mapping[str, list[int]]) -> int:
        if by_shape:
            nearest = min(by_shape, key=lambda voxels: abs(int(voxels) - workload.voxels))
            return int(max(by_shape[nearest]) * workload.voxels / max(1, int(nearest)) * _OTHER_SHAPE)
        return workload.expected_bytes

    def learn(self, workload: Workload, peak_bytes: int) -> None:
        """Remember what a stage really took."""
        shape = str(workload.voxels)
        measured = self._measured.setdefault(_group(workload), {}).setdefault(shape, [])
        was_raised = self._raised.get(_group(workload), {}).pop(shape, None) is not None
        is_news = was_raised or not measured or peak_bytes > max(measured)
        measured.append(peak_bytes)
        del measured[:-_KEPT]
        if is_news:
            write_json(self._memory, self._measured)

    def raise_after_failure(self, workload: Workload, had_bytes: int) -> None:
        """Memory ran out although ``had_bytes`` were free: ask for more, until a run has succeeded or the process ends.

        Not taken for a measurement, so that a neighbour who took the memory cannot make us refuse a render for good.
        """
        raised_bytes = int(max(self.estimate(workload).size_bytes, had_bytes) * _AFTER_FAILURE)
        self._raised.setdefault(_group(workload), {})[str(workload.voxels)] = raised_bytes


def _group(workload: Workload) -> str:
    """What a measurement is filed under, beside its voxels."""
    return f"{workload.weights}:{workload.stage}:{'tiled' if workload.is_tiled else 'whole'}"


class PeakMeter:
    """Measures one workload after the other during a render."""

    def __init__(self, residency: Residency, headroom: Headroom) -> None:
        self.highest_bytes = 0
        self._residency = residency
        self._headroom = headroom
        self._workload: Workload | None = None
        self._is_learned = True
        self._held_bytes = 0

    def begin(self, workload: Workload, *, is_learned: bool = True) -> None:
        """Finish what was measured before and measure ``workload`` from now on."""
        self.finish()
        self._workload = workload
        self._held_bytes = self._residency.used_bytes
        is_anew = self._residency.device.start_peak()
        self._is_learned = is_learned and is_anew  # what is learned refuses renders: it must be of this workload alone

    def finish(self) -> None:
        """Learn from the workload under way, if there is one."""
        if self._workload is None:
            return
        peak_bytes = self._residency.device.peak_bytes()
        self.highest_bytes = max(self.highest_bytes, self._held_bytes + peak_bytes)
        if self._is_learned:
            self._headroom.learn(self._workload, peak_bytes)
        self._workload = None

    def abandon(self) -> None:
        """Forget the workload under way: it was cut short and says nothing."""
        self._workload = None
