"""What kind of file somebody sent, by its first bytes: cheap enough to ask before anything else is done with it.

No more than a first look. A picture is decoded before it is kept; a video, a sound, a HEIC or AVIF is opened by nobody
but the GPU host's reader (``gpu_worker.media_sandbox``), which is made for files that lie.
"""

from __future__ import annotations

from typing import IO, Any

from gpu_worker.families import Kind
from gpu_worker.media.formats import ON_GPU_HOST, format_of, read_head
from gpu_worker.media.headers import faults


def kinds_of(file: IO[Any]) -> set[Kind]:
    """The kinds that the file may be of; none for what is not taken here. Leaves the file at its beginning."""
    found = format_of(read_head(file))
    return {Kind(kind) for kind in found.holds} if found else set()


def name_of(file: IO[Any]) -> str:
    """What people call files of its format; empty for one without a name here. Leaves the file at its beginning."""
    found = format_of(read_head(file))
    return found.name if found else ""


def find_fault(file: IO[Any], kind: Kind) -> str | None:
    """Return why the GPU host's reader would refuse a video or sound, as far as its header tells, after "The MOV "."""
    found = format_of(read_head(file))
    if found is None or kind == Kind.PICTURE:
        return None
    return faults.find_fault(file, found, "audio" if kind == Kind.SOUND else "video")


def seconds_of(file: IO[Any]) -> float | None:
    """Return how long a video or sound is as its header says; None where it does not. Leaves the file at its beginning.

    To be shown, not relied on: the GPU host's reader finds out.
    """
    found = format_of(read_head(file))
    return faults.seconds_of(file, found) if found is not None else None


def is_kept(file: IO[Any]) -> bool:
    """Whether the file is a picture that is kept as it came, since the sandbox on a GPU host has its decoder."""
    return format_of(read_head(file)) in ON_GPU_HOST
