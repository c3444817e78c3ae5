"""Several clips as one film. They are joined when somebody asks for it, not encoded anew, and nothing is kept.

A program that may do little else joins them (``gpu_worker.media.joining``). It takes PyAV, as conversions do.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from django.core.files.storage import default_storage
from django.http import Http404
from django.utils.text import slugify

import gpu_worker
from generation.models import Clip
from generation.storage import conversions
from gpu_worker import sandbox
from loremotion import database, page_deadline
from loremotion.refusals import Conflict, Unavailable

AT_ONCE: Final = 2
"""In one process."""
WAIT_SECONDS: Final = 20.0
WALL_SECONDS: Final = 60.0
MOST_BYTES: Final = 256 * 1024**2
_PROGRAM: Final = Path(gpu_worker.__path__[0], "media_sandbox.py")
_places = threading.BoundedSemaphore(AT_ONCE)

is_offered = conversions.is_offered


def name_of(title: str) -> str:
    """The name under which the film is saved."""
    return f"{slugify(title)[:60] or 'film'}.mp4"


def join(clips: Sequence[Clip]) -> bytes:
    """The clips one after the other, as an MP4.

    Raises:
        Conflict: they do not fit together, or are too large for one file.
        Http404: one of them was deleted meanwhile.
        Unavailable: others are being joined.
    """
    if sum(clip.size_bytes for clip in clips) > MOST_BYTES:
        raise Conflict(
            "too_large",
            f"Together these clips have more than {MOST_BYTES // 1024**2} MB.",
            next_step="Download them one by one.",
        )
    database.give_back()
    if not _places.acquire(timeout=max(0.0, min(WAIT_SECONDS, page_deadline.seconds_left()))):
        raise Unavailable("busy", "We're joining other films right now.", next_step="Try again in a minute.")
    try:
        return _joined(clips)
    finally:
        _places.release()


def _joined(clips: Sequence[Clip]) -> bytes:
    sizes: list[int] = []
    with tempfile.TemporaryFile() as together:
        for clip in clips:
            try:
                with default_storage.open(clip.key) as stored:
                    shutil.copyfileobj(stored, together)
            except FileNotFoundError:
                raise Http404 from None
            sizes.append(together.tell() - sum(sizes))
        together.seek(0)
        said = {"kind": "joining", "sizes": sizes}
        try:
            with sandbox.reading(_PROGRAM, together, said, wall_seconds=WALL_SECONDS) as (announced, out):
                size = announced.get("bytes")
                content = out.read(size) if isinstance(size, int) and 0 < size <= 2 * MOST_BYTES else b""
            if not content or len(content) != size:
                raise sandbox.FileUnreadable("is damaged or cut off.")
        except sandbox.FileUnreadable:
            raise Conflict(
                "not_joined", "We couldn't join these clips.", next_step="Render all scenes with the same settings."
            ) from None
    return content
