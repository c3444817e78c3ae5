"""Hashes the picture in the middle of a video, by which a clip is found again. Runs in the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from gpu_worker.media import bounds, footage
from gpu_worker.media.container import open_stream, start_of
from gpu_worker.media.footage import Shown
from gpu_worker.media.perceptual_hash import hash_of
from gpu_worker.media.reply import Reply

_SIDE: Final = 512
"""Of what is hashed: larger frames are made smaller first, as no cell of the hash is finer than that."""
_BESIDE_SECONDS: Final = 1 / 24
"""A copy of another rate, or a frame longer, has the middle one beside its own middle."""
MOST_HASHES: Final = 3


def read(said: dict[str, Any], reply: Reply) -> None:
    """Say the hashes of the frames around the middle, each once; of none that shows too little."""
    middle = _middle()
    sys.stdin.buffer.seek(0)
    pictures = [footage.pixels(shown, _SIDE, _SIDE) for shown in _around(footage.decode_frames(), middle)]
    reply.say({"hashes": sorted({hashed for picture in pictures if (hashed := hash_of(picture))})})


def _middle() -> float:
    """The second at which half of the video has been shown, by what the file says of its length."""
    import av

    container, stream = open_stream("video")
    if stream.duration and stream.time_base:
        return start_of(container) + float(stream.duration * stream.time_base) / 2
    if container.duration:
        return start_of(container) + float(container.duration / av.time_base) / 2
    bounds.refuse("does not say how long it is.")


def _around(frames: Iterator[Shown], middle: float) -> Iterator[Shown]:
    """What is on the screen shortly before the middle, at it and shortly after."""
    times = [middle - _BESIDE_SECONDS, middle, middle + _BESIDE_SECONDS]
    for shown in frames:
        if times and times[0] < shown.end:
            yield shown
        while times and times[0] < shown.end:
            times.pop(0)
        if not times:
            return
