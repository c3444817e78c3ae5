"""Frames and sound out of files that people sent, by way of ``media_sandbox``: a process that may do nothing else.

Clips of our own go the same way, so that there is one: a clip continued at another rate keeps its speed too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from gpu_worker import media_sandbox, sandbox
from gpu_worker.contract import RenderJob
from gpu_worker.ending import Ending
from gpu_worker.families import FAMILIES
from gpu_worker.media import bounds
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.sounds import Audio, Samples

READER = Path(media_sandbox.__file__)
WALL_SECONDS = 240.0
SOUND_RATE_HERTZ = 48_000
_CHANNELS = 3
_LOUDEST = 6.0
"""That the channels of a cinema add up to, all of them at their loudest. What is louder was never meant to be heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a file the clip has use for: frames from its beginning, or from its end."""

    width: int
    height: int
    fps: float
    first: int
    last: int = 0

    @classmethod
    def by(cls, job: RenderJob) -> Wanted:
        family = FAMILIES.get(job.model.family)
        mode = family.modes.get(job.mode) if family else None  # what is wrong with the job, the engine will say
        last = mode.reads_last_frames if mode else 0
        return cls(width=job.width, height=job.height, fps=job.fps, first=job.num_frames, last=last)

    @property
    def seconds(self) -> float:
        return self.first / self.fps


def frames(path: Path, wanted: Wanted, on_piece: Callable[[], None]) -> list[Image.Image]:
    """RGB frames of the video in ``path`` at the clip's rate. ``on_piece`` is called for each of them.

    Raises:
        FileUnreadable: no video, damaged, or beyond the reader's bounds.
    """
    return list(each_frame(path, wanted, on_piece))


def each_frame(path: Path, wanted: Wanted, on_piece: Callable[[], None]) -> Iterator[Image.Image]:
    """Yield the frames of the video one after the other, so that no more than one is in memory.

    Raises:
        FileUnreadable: as ``frames``.
    """
    said = {"kind": "video", "width": wanted.width, "height": wanted.height, "fps": wanted.fps}
    limit = {"last": wanted.last} if wanted.last else {"first": wanted.first}
    with _reader(path, {**said, **limit}) as (size, out):
        width, height = sandbox.size_in(size, bounds.MOST_PIXELS)
        for _ in range(wanted.last or wanted.first):
            pixels = out.read(width * height * _CHANNELS)
            if len(pixels) < width * height * _CHANNELS:
                break
            on_piece()
            yield Image.frombytes("RGB", (width, height), pixels)


def ending(path: Path, wanted: Wanted, on_piece: Callable[[], None]) -> Ending:
    """The last frames of a video that is continued, and a way to all of it, for as long as the file lies there.

    Raises:
        FileUnreadable: as ``frames``.
    """
    whole = replace(wanted, first=ceil(bounds.MOST_SECONDS * wanted.fps) + 1, last=0)

    def read_sound(rate: int) -> Audio | None:
        try:
            return sound(path, whole, rate=rate)
        except FileUnreadable:
            return None  # its pictures could be read: it is silent

    return Ending(
        frames(path, wanted, on_piece),
        pictures=lambda width, height: each_frame(path, replace(whole, width=width, height=height), on_piece),
        sound=read_sound,
    )


def picture(path: Path, wanted: Wanted) -> Image.Image:
    """The picture of a HEIC or AVIF as a screen shows it, no larger than the clip has use for.

    Raises:
        FileUnreadable: no picture, damaged, or beyond the reader's bounds.
    """
    said = {"kind": "picture", "width": wanted.width, "height": wanted.height}
    with _reader(path, said) as (size, out):
        width, height = sandbox.size_in(size, bounds.MOST_STILL_PIXELS)
        pixels = out.read(width * height * _CHANNELS)
    if len(pixels) < width * height * _CHANNELS:
        raise FileUnreadable("is damaged or cut off.")
    return Image.frombytes("RGB", (width, height), pixels)


def sound(path: Path, wanted: Wanted, *, rate: int = SOUND_RATE_HERTZ) -> Audio:
    """The first sound of the file, in one or two channels, no longer than the clip.

    Raises:
        FileUnreadable: no sound, damaged, or beyond the reader's bounds.
    """
    said = {"kind": "audio", "rate": rate, "seconds": wanted.seconds}
    with _reader(path, said) as (what, out):
        channels = 1 if what.get("channels") == 1 else 2
        most_bytes = round(wanted.seconds * rate) * channels * 4
        content = out.read(most_bytes)
        samples = np.frombuffer(content[: len(content) // (4 * channels) * 4 * channels], np.float32)
        samples = samples.reshape(-1, channels)
    return Audio(_within_full_scale(np.nan_to_num(samples.T)), rate)


def _within_full_scale(samples: Samples) -> Samples:
    """Made quieter where it is louder than can be played, as many channels in two may be; all else would be cut off."""
    peak = float(np.abs(samples).max(initial=0.0))
    if 1 < peak <= _LOUDEST:
        samples = samples / np.float32(peak)
    return samples.clip(-1, 1)


def confinement() -> list[str]:
    """Return what holds the sandbox on this host beside its limits, having tried it.

    Raises:
        FileUnreadable: it does not even start.
    """
    with _reader(Path(os.devnull), {"kind": "nothing"}) as (said, _):
        return [str(part) for part in said["held"]]


@contextmanager
def _reader(path: Path, said: dict[str, Any]) -> Iterator[tuple[dict[str, Any], IO[bytes]]]:
    """What the reader says of the file, and the stream behind it."""
    with path.open("rb") as file, sandbox.reading(READER, file, said, wall_seconds=WALL_SECONDS) as answer:
        yield answer
