"""How much memory a stage needs beside the weights: a formula at first, then what was measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.measurements import read_json, write_json
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.families.activations import Estimate, Workload

log = logging.getLogger(__name__)

_OTHER_SHAPE = 1.25
"""What is added when a figure is carried over from another shape."""
_AFTER_FAILURE = 1.3
_RAISED_SECONDS = 6 * 3600
"""How long a failure is remembered. Then the better placement is tried again: what took the memory may be gone."""
_KEPT = 20


class Headroom:
    """Measured peaks by workload and what failures raised, kept in a file per host, and estimates from both."""

    def __init__(self, memory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._memory = memory
        self._clock = clock
        kept = read_json(memory)
        self._measured: dict[str, dict[str, dict[str, Any]]] = _tables(kept.get("measured"))
        """Group → voxels → the last peaks, and the bytes that were expected."""
        self._raised: dict[str, dict[str, dict[str, Any]]] = _tables(kept.get("raised"))
        """Group → voxels → bytes, and until when."""

    def estimate(self, workload: Workload) -> Estimate:
        """The largest of the last measurements; else carried over from the nearest shape; else what is expected."""
        by_shape = self._measured.get(_group(workload), {})
        raised_bytes = self._raised_bytes(workload)
        if (measured := by_shape.get(str(workload.voxels))) is not None:
            measured_bytes = max(measured["peaks"])
            return Estimate(max(measured_bytes, raised_bytes), raised_bytes <= measured_bytes)
        return Estimate(max(_carried_over(workload, by_shape), raised_bytes), False)

    def learn(self, workload: Workload, peak_bytes: int, *, is_swapped: bool = False) -> None:
        """Remember what a stage really took. With blocks swapped it says nothing of whether all would have fitted, so
        that what a failure raised stays."""
        shape = str(workload.voxels)
        by_shape = self._measured.setdefault(_group(workload), {})
        measured = by_shape.setdefault(shape, {"peaks": [], "expected": workload.expected_bytes})
        was_raised = not is_swapped and self._raised.get(_group(workload), {}).pop(shape, None) is not None
        is_news = was_raised or not measured["peaks"] or peak_bytes > max(measured["peaks"])
        measured["peaks"].append(peak_bytes)
        del measured["peaks"][:-_KEPT]
        if is_news:
            self._write()

    def raise_after_failure(self, workload: Workload, had_bytes: int) -> None:
        """Memory ran out although ``had_bytes`` were free: ask for more until a run has succeeded, or for some hours.

        Not taken for a measurement, so that a neighbour who took the memory cannot make us refuse a render for good.
        """
        raised_bytes = int(max(self.estimate(workload).size_bytes, had_bytes) * _AFTER_FAILURE)
        raised = {"bytes": raised_bytes, "until": self._clock() + _RAISED_SECONDS}
        self._raised.setdefault(_group(workload), {})[str(workload.voxels)] = raised
        self._write()

    def _raised_bytes(self, workload: Workload) -> int:
        raised = self._raised.get(_group(workload), {}).get(str(workload.voxels))
        return int(raised["bytes"]) if raised is not None and self._clock() < raised["until"] else 0

    def _write(self) -> None:
        write_json(self._memory, {"measured": self._measured, "raised": self._raised})


def _tables(kept: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return kept if isinstance(kept, dict) else {}


def _carried_over(workload: Workload, by_shape: Mapping[str, Mapping[str, Any]]) -> int:
    """What is expected, corrected by how far the nearest measured shape was from what was expected of it."""
    if not by_shape:
        return workload.expected_bytes
    nearest = by_shape[min(by_shape, key=lambda voxels: abs(int(voxels) - workload.voxels))]
    return int(max(nearest["peaks"]) * workload.expected_bytes / max(1, nearest["expected"]) * _OTHER_SHAPE)


def _group(workload: Workload) -> str:
    """What a measurement is filed under, beside its voxels."""
    return f"{workload.weights}:{workload.stage}:{workload.how}"


class PeakMeter:
    """Measures one workload after the other during a render."""

    def __init__(self, residency: Residency, headroom: Headroom) -> None:
        self.highest_bytes = 0
        self._residency = residency
        self._headroom = headroom
        self._workload: Workload | None = None
        self._is_learned = True
        self._is_swapped = False
        self._held_bytes = 0

    def begin(self, workload: Workload, *, is_swapped: bool = False) -> None:
        """Finish what was measured before and measure ``workload`` from now on.

        With ``is_swapped`` the weights come and go meanwhile; the residency counts the memory that they come to.
        """
        self.finish()
        self._workload = workload
        self._held_bytes = self._residency.used_bytes
        self._is_swapped = is_swapped
        self._is_learned = self._residency.device.start_peak()  # what is learned must be of this workload alone

    def finish(self) -> None:
        """Learn from the workload under way, if there is one."""
        if self._workload is None:
            return
        peak_bytes = self._residency.device.peak_bytes()
        self.highest_bytes = max(self.highest_bytes, self._held_bytes + peak_bytes)
        estimate = self._headroom.estimate(self._workload)
        log_event(
            log,
            "peak measured",
            stage=self._workload.stage,
            peak_bytes=peak_bytes,
            estimate_bytes=estimate.size_bytes,
            is_estimate_measured=estimate.is_measured,
            weights_bytes=self._held_bytes,
        )
        if self._is_learned:
            self._headroom.learn(self._workload, peak_bytes, is_swapped=self._is_swapped)
        self._workload = None

    def doubt(self) -> None:
        """Learn nothing from the workload under way: a part of it was not computed here."""
        self._is_learned = False

    def abandon(self) -> None:
        """Forget the workload under way: it was cut short and says nothing."""
        self._workload = None
