"""Whether a finished clip is broken: black, uniform, noise or silent, measured on its own file.

Models make such clips now and then, by a seed's bad luck or a dtype too narrow. Nobody asks for them, so nobody pays
for them. Blurred and melted pictures are beyond what counting can tell, and so is a still picture under live grain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]
"""``(height, width)``, 16 … 235."""
Blocks = npt.NDArray[np.float32]


class Fault(StrEnum):
    """What makes a clip broken."""

    BLACK = "black"
    UNIFORM = "uniform"
    NOISE = "noise"
    SILENT = "silent"


class Remark(StrEnum):
    """What may well have been asked for, and is said of the clip without judging it."""

    FROZEN = "frozen"
    FLICKER = "flicker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What was measured, in grey levels of 16 … 235 where it is no ratio."""

    num_frames: int
    brightest: int
    """The 99.9th percentile of the brightest frame."""
    pixel_span: int
    """Between the 0.1st and the 99.9th percentile of a frame, the widest."""
    block_range: float
    """Between the 1st and the 99th percentile of a frame's small blocks, the widest: what is left without grain."""
    mean_range: float
    """The same of the mean of all frames."""
    neighbours: float
    """Correlation of pixels with those beside or below them, the larger; 1 where there is nothing to correlate."""
    successors: float
    """Correlation of frames with the one after."""
    step: float
    """Mean change of a block from frame to frame."""
    movement: float
    """Largest change of a large block from the first frame."""
    peak_decibels: float | None
    """Of the sound, full scale being 0; None without sound."""

    @property
    def fault(self) -> Fault | None:
        if self.brightest < 26:
            return Fault.BLACK
        if self.block_range < 6 and self.mean_range < 3 and self.pixel_span < 40:
            return Fault.UNIFORM
        if self._is_noise:
            return Fault.NOISE
        if self.peak_decibels is not None and self.peak_decibels < -60:
            return Fault.SILENT
        return None

    @property
    def remark(self) -> Remark | None:
        if self.num_frames > 1 and self.movement < 2:
            return Remark.FROZEN
        if not self._is_noise and self.successors < 0.1 and self.step > 15 and self.num_frames > 4:
            return Remark.FLICKER
        return None

    @property
    def _is_noise(self) -> bool:
        return self.neighbours < 0.2 and self.successors < 0.2 and self.block_range > 6


def measure_signs(
    path: Path, *, first_frame: int = 0, upscale: int = 1, rows: int | None = None, is_heard: bool = True
) -> Signs:
    """Return what the pictures and the sound of the file show.

    Args:
        first_frame: where the part to be judged begins: what a continuation goes on from was judged before.
        upscale: by which the pictures were enlarged, so that each of their own pixels is looked at once.
        rows: how many are looked at from the top: words in the corner would hide that all else is black.
        is_heard: whether the sound is judged.
    """
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.thread_count = 1  # beside the next render, which has its own use for processors
        pictures = _Pictures(sampled_every=max(1, (video.frames - first_frame) // 8))
        for index, frame in enumerate(container.decode(video)):
            if index >= first_frame:
                plane = frame.planes[0]
                luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
                pictures.add(luma[upscale // 2 : rows : upscale, upscale // 2 :: upscale])
    return pictures.signs(_peak_decibels(path) if is_heard else None)


@dataclass(slots=True)
class _Pictures:
    """What is kept of each frame: means of its blocks, and of every few its histogram and its middle's correlation."""

    sampled_every: int
    small: list[Blocks] = field(default_factory=list)
    large: list[Blocks] = field(default_factory=list)
    histograms: list[npt.NDArray[np.int64]] = field(default_factory=list)
    neighbours: list[float] = field(default_factory=list)

    def add(self, luma: Luma) -> None:
        side = min(luma.shape)
        self.small.append(_block_means(luma, max(1, side // 90)))
        self.large.append(_block_means(luma, max(2, side // 32)))
        if (len(self.small) - 1) % self.sampled_every == 0:
            self.histograms.append(np.bincount(luma[::2, ::2].ravel(), minlength=256))
            self.neighbours.append(_neighbour_correlation(luma))

    def signs(self, peak_decibels: float | None) -> Signs:
        small, large = np.stack(self.small), np.stack(self.large)
        counts = np.stack(self.histograms)
        shares = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
        darkest, brightest = (shares < 0.001).sum(axis=1), (shares < 0.999).sum(axis=1)
        return Signs(
            num_frames=len(small),
            brightest=int(brightest.max()),
            pixel_span=int((brightest - darkest).max()),
            block_range=max(_range(frame) for frame in small[:: self.sampled_every]),
            mean_range=_range(small.mean(axis=0)),
            neighbours=float(np.mean(self.neighbours)),
            successors=_successor_correlation(small),
            step=float(np.abs(np.diff(small, axis=0)).mean()) if len(small) > 1 else 0.0,
            movement=float(np.abs(large - large[0]).max()),
            peak_decibels=peak_decibels,
        )


def _block_means(luma: Luma, side: int) -> Blocks:
    rows, columns = (length // side for length in luma.shape)
    whole = luma[: rows * side, : columns * side]
    means: Blocks = whole.reshape(rows, side, columns, side).mean(axis=(1, 3), dtype=np.float32)
    return means


def _range(blocks: Blocks) -> float:
    low, high = np.percentile(blocks, (1, 99))
    return float(high - low)


def _neighbour_correlation(luma: Luma) -> float:
    height, width = luma.shape
    top, left = max(0, height // 2 - 64), max(0, width // 2 - 96)
    middle = luma[top : top + 128, left : left + 192].astype(np.float32)
    middle -= middle.mean()
    variance = float((middle * middle).mean())
    if variance <= 4:
        return 1.0
    beside, below = (middle[:, :-1] * middle[:, 1:]).mean(), (middle[:-1] * middle[1:]).mean()
    return float(max(beside, below)) / variance


def _successor_correlation(small: Blocks) -> float:
    """The mean correlation of frames with the next, those that show nothing counting as alike."""
    if len(small) < 2:
        return 1.0
    flat = small.reshape(len(small), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    deviations = np.sqrt((flat * flat).mean(axis=1))
    products = (flat[1:] * flat[:-1]).mean(axis=1) / (deviations[1:] * deviations[:-1] + 1e-6)
    return float(np.where((deviations[1:] > 1) & (deviations[:-1] > 1), products, 1.0).mean())


def _peak_decibels(path: Path) -> float | None:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        peak = max(_peaks(container), default=0.0)
    return 20 * float(np.log10(peak + 1e-9))


def _peaks(container: av.container.InputContainer) -> Iterator[float]:
    for frame in container.decode(audio=0):
        samples = frame.to_ndarray()
        yield float(np.abs(samples).max(initial=0))
