"""Several clips as one film. They are joined when somebody asks for it, not encoded anew, and nothing is kept.
What was joined lies in a temporary file until it is sent, and counts for its workspace until then.

A program that may do little else joins them (``gpu_worker.media.joining``). It takes PyAV, as conversions do.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final
from uuid import UUID
from wsgiref.util import FileWrapper

from django.core.files.storage import default_storage
from django.http import Http404
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import gpu_worker
from generation.models import Clip
from generation.storage import conversions, serving
from gpu_worker import sandbox
from loremotion import database, page_deadline
from loremotion.refusals import Conflict, Unavailable
from loremotion.stream_limits import StreamLimit

AT_ONCE: Final = 2
"""In one process."""
MOST_OF_ONE: Final = 2
"""Films of one workspace that a process joins or sends."""
MOST_SENT: Final = 8
"""Films that a process joins or sends in all: each is on its disk until it is sent."""
WAIT_SECONDS: Final = 20.0
WALL_SECONDS: Final = 60.0
MOST_BYTES: Final = 256 * 1024**2
_PROGRAM: Final = Path(gpu_worker.__path__[0], "media_sandbox.py")
_places = threading.BoundedSemaphore(AT_ONCE)
_films = StreamLimit(gettext_lazy("films"), most_in_all=MOST_SENT)

is_offered = conversions.is_offered


def name_of(title: str) -> str:
    """The name under which the film is saved."""
    return f"{slugify(title)[:60] or 'film'}.mp4"


def serve(clips: Sequence[Clip], *, reader: UUID) -> serving.InPieces:
    """The answer that sends the clips one after the other, as an MP4, to the workspace ``reader``.

    Raises:
        Conflict, Http404, Unavailable: as ``_join``.
        TooMany: as many films as may be are on their way, to this workspace or to all.
    """
    slot = _films.take(reader, most=MOST_OF_ONE)
    try:
        film = _join(clips)
    except BaseException:
        slot.release()
        raise
    size = film.seek(0, os.SEEK_END)
    film.seek(0)
    response = serving.InPieces(FileWrapper(film, serving.CHUNK_BYTES), slot=slot, content_type="video/mp4")
    response["Content-Length"] = str(size)
    response["Accept-Ranges"] = "none"  # each part would be joined anew
    return response


def _join(clips: Sequence[Clip]) -> IO[bytes]:
    """The film as a temporary file.

    Raises:
        Conflict: they do not fit together, or are too large for one file.
        Http404: one of them was deleted meanwhile.
        Unavailable: others are being joined.
    """
    if sum(clip.size_bytes for clip in clips) > MOST_BYTES:
        raise Conflict(
            "too_large",
            _("Together these clips have more than %(most)s MB.") % {"most": MOST_BYTES // 1024**2},
            next_step=_("Download them one by one."),
        )
    database.give_back()
    if not _places.acquire(timeout=max(0.0, min(WAIT_SECONDS, page_deadline.seconds_left()))):
        raise Unavailable("busy", _("We're joining other films right now."), next_step=_("Try again in a minute."))
    film = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the answer that sends it
    try:
        _write(clips, film)
    except BaseException:
        film.close()
        raise
    finally:
        _places.release()
    return film


def _write(clips: Sequence[Clip], film: IO[bytes]) -> None:
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
                left = size if isinstance(size, int) and size <= 2 * MOST_BYTES else 0
                while left > 0 and (piece := out.read(min(serving.CHUNK_BYTES, left))):
                    left -= film.write(piece)
            if not film.tell() or film.tell() != size:
                raise sandbox.FileUnreadable("is damaged or cut off.")
        except sandbox.FileUnreadable:
            raise Conflict(
                "not_joined",
                _("We couldn't join these clips."),
                next_step=_("Render all scenes with the same settings."),
            ) from None
