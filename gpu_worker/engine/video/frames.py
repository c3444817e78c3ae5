"""What a pipeline returns, as plain pixels and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gpu_worker.engine.errors import FramesNotFinite
from gpu_worker.engine.video.clip import Frames
from gpu_worker.sounds import Audio


@dataclass(frozen=True, slots=True)
class RawClip:
    """What a pipeline made, before encoding."""

    frames: Frames
    audio: Audio | None = None


def to_frames(batches: Any) -> Frames:
    """The first clip of a batch of ``(frames, channels, height, width)`` in 0 … 1 as 8-bit pixels.

    Raises:
        FramesNotFinite: some values are no numbers.
    """
    clip: torch.Tensor = batches[0]
    is_finite = torch.isfinite(clip)
    if not is_finite.all():
        bad = int((~is_finite).sum())
        raise FramesNotFinite(f"{bad} of {clip.numel()} values are not numbers; try another dtype or no quantisation")
    pixels = (clip.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def to_audio(pipeline: Any, output: Any) -> Audio | None:
    """The sound of the first clip of a batch, or None where the pipeline makes none."""
    sound = getattr(output, "audio", None)
    if sound is None:
        return None
    samples = sound[0].detach().float().cpu().numpy()
    return Audio(np.atleast_2d(samples), int(pipeline.vocoder.config.output_sampling_rate))
