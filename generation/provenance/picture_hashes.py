"""Hashes of the picture in the middle of a video that somebody sent.

A confined program decodes the video (``gpu_worker.media.likeness``). It takes PyAV, which a web host may be without:
then no copy is found by its picture.
"""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import gpu_worker
from gpu_worker import sandbox

WALL_SECONDS: Final = 10.0
_MOST_HASHES: Final = 3
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_PROGRAM: Final = Path(gpu_worker.__path__[0], "media_sandbox.py")


@functools.cache
def is_offered() -> bool:
    """Whether this host can decode videos."""
    return find_spec("av") is not None


def hashes_in(file: IO[bytes]) -> list[str]:
    """The hashes of what an open video shows around its middle; none of what is no video, or shows too little."""
    if not is_offered():
        return []
    file.seek(0)
    try:
        with sandbox.reading(_PROGRAM, file, {"kind": "likeness"}, wall_seconds=WALL_SECONDS) as (announced, _):
            return read_hashes(announced.get("hashes"))
    except sandbox.FileUnreadable:
        return []


def read_hashes(said: object) -> list[str]:
    """What the program said, which may have been taken over by the file: a few hashes, and nothing else."""
    hashes = said if isinstance(said, list) else []
    return [each for each in hashes[:_MOST_HASHES] if isinstance(each, str) and _HASH.fullmatch(each)]
