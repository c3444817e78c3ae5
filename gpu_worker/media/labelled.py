"""Gathers from a video all that an invisible id can lie in. Runs in the sandbox, and needs no key for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from gpu_worker.media import bounds, footage
from gpu_worker.media.invisible_id import reading
from gpu_worker.media.reply import Reply

MOST_PICTURES: Final = 48
"""From the beginning. A label in each adds up; what is around it does not."""


def read(said: dict[str, Any], reply: Reply) -> None:
    """Send the sum as 32-bit floats, line by line. Refuse what is no video."""
    sys.stdin.buffer.seek(0)
    gathered = reading.gather(islice(_pictures(), MOST_PICTURES))
    if gathered is None:
        bounds.refuse("holds no label.")
    reply.say({"width": gathered.shape[1], "height": gathered.shape[0]})
    reply.send_bytes(np.ascontiguousarray(gathered, np.float32).tobytes())


def _pictures() -> Iterator[reading.Picture]:
    """The video's, until one has another size."""
    size = None
    for shown in footage.decode_frames():
        luma = shown.frame.to_ndarray(format="gray")
        if size is not None and luma.shape != size:
            return
        size = luma.shape
        yield reading.Picture(luma, bool(shown.frame.key_frame))
