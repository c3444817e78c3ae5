"""What stands before a clip that continues another: all of that one, so that the file is the whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gpu_worker.contract import RenderJob
from gpu_worker.ending import Ending
from gpu_worker.engine.video.clip import Before
from gpu_worker.engine.video.frames import RawClip
from gpu_worker.families.family import Mode
from gpu_worker.families.pictures import fit

SOUND_RATE_HERTZ = 48_000
"""Where the new part has no sound whose rate would be taken."""


def before_and_new(
    job: RenderJob, mode: Mode, inputs: Mapping[str, Any], made: RawClip, stop_if_asked: Callable[[], None]
) -> tuple[Before | None, RawClip]:
    """What comes first, and of what was made all that does not repeat its end. Nothing comes before other clips."""
    given = inputs.get("video")
    if not mode.is_continuation or not isinstance(given, Ending):
        return None, made
    repeated = mode.repeated_frames(given=len(given), num_frames=job.num_frames)
    audio = made.audio
    sound = given.sound(audio.rate_hertz if audio else SOUND_RATE_HERTZ)
    if audio:
        audio = dataclasses.replace(audio, samples=audio.samples[:, round(repeated / job.fps * audio.rate_hertz) :])
    return Before(_frames(job, given, stop_if_asked), sound), RawClip(made.frames[repeated:], audio)


def _frames(job: RenderJob, given: Ending, stop_if_asked: Callable[[], None]) -> Iterator[npt.NDArray[np.uint8]]:
    whole = dataclasses.replace(job, width=job.width * job.upscale, height=job.height * job.upscale)
    for picture in given.pictures(whole.width, whole.height):
        stop_if_asked()
        yield np.asarray(fit(picture, whole))
