"""Frames and sound out of files that people sent, by way of ``media_sandbox``: a process that may do nothing else.

Clips of our own go the same way, so that there is one: a clip continued at another rate keeps its speed too.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from gpu_worker import media_sandbox
from gpu_worker.confinement import MEMORY_BYTES, PROCESSOR_SECONDS
from gpu_worker.contract import RenderJob
from gpu_worker.ending import Ending
from gpu_worker.families import FAMILIES
from gpu_worker.media import bounds
from gpu_worker.sounds import Audio

logger = logging.getLogger(__name__)

READER = Path(media_sandbox.__file__)
WALL_SECONDS = 240.0
SOUND_RATE_HERTZ = 48_000
_TAKES_TOO_MUCH = (
    f"takes more than {MEMORY_BYTES // 2**30} GiB of memory, {PROCESSOR_SECONDS} seconds of a processor or "
    f"{WALL_SECONDS:.0f} seconds in all to decode."
)
_MOST_REPLY_BYTES = 4096
_CHANNELS = 3
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""All that the reader gets to know of ours: no address, no password."""


class FootageUnreadable(Exception):
    """The file is not what it should be. The message follows "The input 'video' "."""


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
        FootageUnreadable: no video, damaged, or beyond the reader's bounds.
    """
    return list(each_frame(path, wanted, on_piece))


def each_frame(path: Path, wanted: Wanted, on_piece: Callable[[], None]) -> Iterator[Image.Image]:
    """The same one after the other, so that no more than one of them is in memory.

    Raises:
        FootageUnreadable: as ``frames``.
    """
    said = {"kind": "video", "width": wanted.width, "height": wanted.height, "fps": wanted.fps}
    limit = {"last": wanted.last} if wanted.last else {"first": wanted.first}
    with _reader(path, {**said, **limit}) as (size, out):
        width, height = int(size["width"]), int(size["height"])
        for _ in range(wanted.last or wanted.first):
            pixels = out.read(width * height * _CHANNELS)
            if len(pixels) < width * height * _CHANNELS:
                break
            on_piece()
            yield Image.frombytes("RGB", (width, height), pixels)


def ending(path: Path, wanted: Wanted, on_piece: Callable[[], None]) -> Ending:
    """The last frames of a video that is continued, and a way to all of it, for as long as the file lies there.

    Raises:
        FootageUnreadable: as ``frames``.
    """
    whole = replace(wanted, first=ceil(bounds.MOST_SECONDS * wanted.fps) + 1, last=0)

    def heard(rate: int) -> Audio | None:
        try:
            return sound(path, whole, rate=rate)
        except FootageUnreadable:
            return None  # its pictures could be read: it is silent

    return Ending(
        frames(path, wanted, on_piece),
        pictures=lambda width, height: each_frame(path, replace(whole, width=width, height=height), on_piece),
        sound=heard,
    )


def picture(path: Path, wanted: Wanted) -> Image.Image:
    """The picture of a HEIC or AVIF as a screen shows it, no larger than the clip has use for.

    Raises:
        FootageUnreadable: no picture, damaged, or beyond the reader's bounds.
    """
    said = {"kind": "picture", "width": wanted.width, "height": wanted.height}
    with _reader(path, said) as (size, out):
        width, height = int(size["width"]), int(size["height"])
        pixels = out.read(width * height * _CHANNELS)
    if len(pixels) < width * height * _CHANNELS:
        raise FootageUnreadable("is damaged or cut off.")
    return Image.frombytes("RGB", (width, height), pixels)


def sound(path: Path, wanted: Wanted, *, rate: int = SOUND_RATE_HERTZ) -> Audio:
    """The first sound of the file, in one or two channels, no longer than the clip.

    Raises:
        FootageUnreadable: no sound, damaged, or beyond the reader's bounds.
    """
    said = {"kind": "audio", "rate": rate, "seconds": wanted.seconds}
    with _reader(path, said) as (what, out):
        channels = int(what["channels"])
        most_bytes = round(wanted.seconds * rate) * channels * 4
        content = out.read(most_bytes)
        samples = np.frombuffer(content[: len(content) // (4 * channels) * 4 * channels], np.float32)
        samples = samples.reshape(-1, channels)
    return Audio(np.nan_to_num(samples.T).clip(-1, 1), rate)


def confinement() -> list[str]:
    """Return what holds the sandbox on this host beside its limits, having tried it.

    Raises:
        FootageUnreadable: it does not even start.
    """
    with _reader(Path(os.devnull), {"kind": "nothing"}) as (said, _):
        return [str(part) for part in said["held"]]


@contextmanager
def _reader(path: Path, said: dict[str, Any]) -> Iterator[tuple[dict[str, Any], IO[bytes]]]:
    """What the reader says of the file, and the stream behind it. It does not outlive the block."""
    command = [sys.executable, "-I", str(READER), json.dumps(said)]
    with path.open("rb") as file:  # all of ours that it gets to read
        process = subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_ENVIRONMENT
        )
    assert process.stdout is not None
    assert process.stderr is not None
    watchdog = threading.Timer(WALL_SECONDS, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        what = process.stdout.readline(_MOST_REPLY_BYTES)
        if what:
            yield json.loads(what), process.stdout
        process.stdout.close()
        reply = process.stderr.read(_MOST_REPLY_BYTES).decode(errors="replace").strip()
        status = process.wait()
        if status == bounds.REFUSED and reply:
            raise FootageUnreadable(reply.splitlines()[-1])
        if status == -signal.SIGSYS:
            logger.warning("What reads %s tried what no decoder does, and was ended", path.name)
        if status != 0 or not what:
            raise FootageUnreadable(_TAKES_TOO_MUCH)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
