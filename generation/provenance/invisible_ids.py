"""The invisible ids in a video that somebody sent, and whose clip carries one.

A confined program decodes the video (``gpu_worker.media.labelled``). The key stays here: that program reads hostile
bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import IO, Final

import numpy as np
from django.conf import settings

import gpu_worker
from generation.models import Clip
from generation.provenance import picture_hashes
from gpu_worker import sandbox
from gpu_worker.media.invisible_id import reading
from gpu_worker.media.invisible_id.pattern import HEIGHT, MOST_WIDTH

WALL_SECONDS: Final = 10.0
"""For gathering, and again for reading under all keys."""
_PROGRAM: Final = Path(gpu_worker.__path__[0], "media_sandbox.py")
_MOST_PIXELS: Final = HEIGHT * MOST_WIDTH


def is_read() -> bool:
    """Whether this host can read labels, and the site ever wrote any."""
    return bool(settings.INVISIBLE_ID_KEYS) and picture_hashes.is_offered()


def read(file: IO[bytes]) -> int | None:
    """The id that the pictures of an open video carry under one of the site's keys; None where there is none."""
    if not is_read():
        return None
    file.seek(0)
    try:
        with sandbox.reading(_PROGRAM, file, {"kind": "label"}, wall_seconds=WALL_SECONDS) as (announced, out):
            width, height = sandbox.size_in(announced, _MOST_PIXELS)
            content = out.read(4 * width * height)
    except sandbox.FileUnreadable:
        return None
    if height != HEIGHT or len(content) < 4 * width * height:
        return None
    gathered = np.nan_to_num(np.frombuffer(content, np.float32).reshape(height, width), posinf=0.0, neginf=0.0)
    until = time.monotonic() + WALL_SECONDS
    labels = (reading.read(gathered, key, scales=_scales(until)) for key in settings.INVISIBLE_ID_KEYS)
    return next((found.id for found in labels if found is not None), None)


def _scales(until: float) -> Iterator[float]:
    """Those at which a label is looked for, as long as there is time."""
    return takewhile(lambda _: time.monotonic() < until, reading.SCALES)


def clip_of(label_id: int) -> Clip | None:
    """The clip that carries the id; None where none does, and where two do, as it names neither of them."""
    found = Clip.objects.select_related("generation__version__model").filter(invisible_id=label_id)[:2]
    return found[0] if len(found) == 1 else None
