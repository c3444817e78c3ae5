"""How much memory a stage needs beside the weights: a formula at first, then what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.contract import RenderJob, Stage
from gpu_worker.engine.memory import read_json, write_json
from gpu_worker.engine.residency import Residency

_BYTES_PER_VOXEL: Mapping[Stage, int] = {Stage.DENOISING: 48, Stage.DECODING: 150}
"""For a stage never measured: generous for the models that we know, so that the first run makes room enough."""
_ENCODER_FRACTION = 0.05
"""Activations of a text encoder as a part of its weights: a few hundred tokens against billions of weights."""
_TILED_FRACTION = 0.25
_OTHER_SHAPE = 1.25
"""What is added when a figure is carried over from another shape."""
_AFTER_FAILURE = 1.3
_KEPT = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes beside the weights. Only a measured figure is a reason to refuse."""

    size_bytes: int
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a figure is about: which weights do which stage at which shape, decoding in tiles or not."""

    weights: str
    stage: Stage
    voxels: int = 0
    weights_bytes: int = 0
    is_tiled: bool = False

    @classmethod
    def of(
        cls, stage: Stage, job: RenderJob, weights: str, *, weights_bytes: int = 0, is_tiled: bool = False
    ) -> Occasion:
        """The occasion of one stage of ``job``. Encoding a prompt depends on no shape."""
        voxels = 0 if stage is Stage.ENCODING_PROMPT else job.width * job.height * job.num_frames
        return cls(weights, stage, voxels, weights_bytes, is_tiled)

    @property
    def group(self) -> str:
        return f"{self.weights}:{self.stage}:{'tiled' if self.is_tiled else 'whole'}"


class Headroom:
    """Measured peaks by occasion, kept in a file per host, and estimates from them."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._measured: dict[str, dict[str, list[int]]] = read_json(memory)
        self._raised: dict[str, dict[str, int]] = {}

    def estimate(self, occasion: Occasion) -> Estimate:
        """The largest of the last measurements; else carried over from the nearest shape; else by formula."""
        shape = str(occasion.voxels)
        by_shape = self._measured.get(occasion.group, {})
        raised_bytes = self._raised.get(occasion.group, {}).get(shape, 0)
        if by_shape.get(shape):
            measured_bytes = max(by_shape[shape])
            return Estimate(max(measured_bytes, raised_bytes), raised_bytes <= measured_bytes)
        return Estimate(max(self._guess(occasion, by_shape), raised_bytes), False)

    def _guess(self, occasion: Occasion, by_shape: Mapping[str, list[int]]) -> int:
        if by_shape:
            nearest = min(by_shape, key=lambda voxels: abs(int(voxels) - occasion.voxels))
            return int(max(by_shape[nearest]) * occasion.voxels / max(1, int(nearest)) * _OTHER_SHAPE)
        if occasion.stage is Stage.ENCODING_PROMPT:
            return int(occasion.weights_bytes * _ENCODER_FRACTION)
        fraction = _TILED_FRACTION if occasion.is_tiled else 1
        return int(occasion.voxels * _BYTES_PER_VOXEL[occasion.stage] * fraction)

    def learn(self, occasion: Occasion, peak_bytes: int) -> None:
        """Remember what a stage really took."""
        shape = str(occasion.voxels)
        measured = self._measured.setdefault(occasion.group, {}).setdefault(shape, [])
        was_raised = self._raised.get(occasion.group, {}).pop(shape, None) is not None
        is_news = was_raised or not measured or peak_bytes > max(measured)
        measured.append(peak_bytes)
        del measured[:-_KEPT]
        if is_news:
            write_json(self._memory, self._measured)

    def raise_after_failure(self, occasion: Occasion, had_bytes: int) -> None:
        """Memory ran out although ``had_bytes`` were free: ask for more, until a run has succeeded or the process ends.

        Not taken for a measurement, so that a neighbour who took the memory cannot make us refuse a render for good.
        """
        raised_bytes = int(max(self.estimate(occasion).size_bytes, had_bytes) * _AFTER_FAILURE)
        self._raised.setdefault(occasion.group, {})[str(occasion.voxels)] = raised_bytes


class PeakMeter:
    """Measures one occasion after the other during a render."""

    def __init__(self, residency: Residency, headroom: Headroom) -> None:
        self.highest_bytes = 0
        self._residency = residency
        self._headroom = headroom
        self._occasion: Occasion | None = None
        self._is_learned = True
        self._held_bytes = 0

    def begin(self, occasion: Occasion, *, is_learned: bool = True) -> None:
        """Finish what was measured before and measure ``occasion`` from now on."""
        self.finish()
        self._occasion = occasion
        self._held_bytes = self._residency.used_bytes
        is_anew = self._residency.device.start_peak()
        self._is_learned = is_learned and is_anew  # what is learned refuses renders: it must be of this occasion alone

    def finish(self) -> None:
        """Learn from the occasion under way, if there is one."""
        if self._occasion is None:
            return
        peak_bytes = self._residency.device.peak_bytes()
        self.highest_bytes = max(self.highest_bytes, self._held_bytes + peak_bytes)
        if self._is_learned:
            self._headroom.learn(self._occasion, peak_bytes)
        self._occasion = None

    def abandon(self) -> None:
        """Forget the occasion under way: it was cut short and says nothing."""
        self._occasion = None
