"""What a pipeline returns, as plain pixels and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gpu_worker.engine.errors import FramesNotFinite
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.video.clip import Frame, Frames
from gpu_worker.engine.video.pipelines import replace_method
from gpu_worker.sounds import Audio

OnFrame = Callable[[int, Frame], None]
"""Hears of each frame, by its number from 0, as soon as it is in main memory. 0 again: decoding began anew."""


def unheard(index: int, frame: Frame) -> None:
    """Nobody asked for the frames on their way."""


@dataclass(frozen=True, slots=True)
class RawClip:
    """What a pipeline made, before encoding."""

    frames: Frames
    audio: Audio | None = None


@contextmanager
def taken_one_by_one(pipeline: Any, on_frame: OnFrame = unheard) -> Iterator[None]:
    """For the time of the block, ``pipeline`` returns 8-bit frames, which leave the card one after the other.

    Its own way makes pictures of the whole clip on the card: as much again as all its frames, several times.
    """

    def postprocess(_: Callable[..., Any]) -> Callable[..., Frames]:
        return lambda video, **_: frames_of(pipeline.video_processor, video, on_frame)

    with replace_method(pipeline.video_processor, "postprocess_video", postprocess):
        yield


def frames_of(processor: Any, video: torch.Tensor, on_frame: OnFrame = unheard) -> Frames:
    """The first clip of a batch of ``(channels, frames, height, width)``, as ``take_frames`` takes them.

    Raises:
        FramesNotFinite: some values are no numbers.
    """
    clip = video[0]
    if clip.dtype is torch.uint8:  # taken already, part by part
        return clip.permute(1, 2, 3, 0).numpy()
    channels, num_frames, height, width = clip.shape
    frames = np.empty((num_frames, height, width, channels), dtype=np.uint8)
    take_frames(processor, clip, frames, on_frame)
    return frames


def take_frames(
    processor: Any, clip: torch.Tensor, into: Frames, on_frame: OnFrame = unheard, *, first: int = 0
) -> None:
    """Write ``(channels, frames, height, width)`` of a decoder ``into`` pixels.

    The memory of one frame is enough for it on the card, and where even that is missing, main memory does.
    ``first`` is the number that ``on_frame`` hears of the first of them.

    Raises:
        FramesNotFinite: some values are no numbers.
    """
    for index in range(len(into)):
        frame = clip[:, index]
        try:
            pixels = _pixels(processor, frame)
        except RuntimeError as error:
            if fault_of(error) is not DeviceFault.OUT_OF_MEMORY:
                raise
            # Channel by channel: each is in one piece, so that no other one is made of it on the card.
            pixels = _pixels(processor, torch.stack([channel.cpu() for channel in frame]))
        into[index] = pixels.numpy()
        on_frame(first + index, into[index])


def as_decoded(frames: Frames) -> torch.Tensor:
    """``frames`` in the form in which a decoder gives a clip to its pipeline."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None]


def _pixels(processor: Any, frame: torch.Tensor) -> torch.Tensor:
    is_finite = torch.isfinite(frame)
    if not is_finite.all():
        bad = int((~is_finite).sum())
        raise FramesNotFinite(
            f"{bad} of {frame.numel()} values of a frame are not numbers; try another dtype or no quantisation"
        )
    picture: torch.Tensor = processor.postprocess(frame[None], "pt")[0]
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu()


def to_audio(pipeline: Any, output: Any) -> Audio | None:
    """The sound of the first clip of a batch, or None where the pipeline makes none."""
    sound = getattr(output, "audio", None)
    if sound is None:
        return None
    samples = sound[0].detach().float().cpu().numpy()
    return Audio(np.atleast_2d(samples), int(pipeline.vocoder.config.output_sampling_rate))
