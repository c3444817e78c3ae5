"""Pictures that people send: decoded by a sandbox within bounds of memory, and encoded anew."""

from __future__ import annotations

import io
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import IO, Any, Final
from weakref import WeakValueDictionary

from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.utils.translation import gettext as _
from PIL import Image

from generation.submission import png_colours
from generation.submission.picture_decoding import LONGEST_SIDE, MAX_DRAFTED_PIXELS, WrongSize, check_size
from gpu_worker import confinement, sandbox
from gpu_worker.media import heif, heif_boxes
from loremotion import database
from loremotion.refusals import Unavailable

logger = logging.getLogger(__name__)

PROGRAM: Final = Path(__file__).with_name("picture_sandbox.py")
WALL_SECONDS: Final = 30.0
AT_ONCE: Final = 2
"""Pictures that one process has decoded at the same time. Each takes up to 200 MB, a WebP 300: its
library draws on two canvases."""
WAIT_SECONDS: Final = 20.0
MOST_NAMED_PIXELS: Final = 2**62
"""Of a picture that is refused for its size; no format has room for more."""

_places = BoundedSemaphore(AT_ONCE)
_lines: WeakValueDictionary[object, Lock] = WeakValueDictionary()
"""A lock for each that has a request in line, and none for anybody else: nobody waits for a stranger's line."""
_lines_lock = Lock()

DAMAGED: Final = "is damaged or cut off"


class Unreadable(ValueError):
    """This is no picture, or a damaged one. The message follows "The PNG "."""


@contextmanager
def in_line(of: object) -> Iterator[None]:
    """The block belongs to one request at a time of those that say the same ``of``: their workspace or network.

    Otherwise any number of requests would have their pictures decoded, of which all but a few are refused then.

    Raises:
        Unavailable: the line does not move.
    """
    with _lines_lock:
        line = _lines.setdefault(of, Lock())
    database.give_back()
    if not line.acquire(timeout=WAIT_SECONDS):
        raise _busy()
    try:
        yield
    finally:
        line.release()


def to_png(file: File[Any]) -> File[Any]:
    """A picture as PNG: upright, at most ``LONGEST_SIDE`` pixels long, without whatever else the file carried.

    Raises:
        WrongSize: it has too many pixels, or too few. Nothing is decoded.
        Unreadable: it is none that can be read.
        Unavailable: too many pictures are being decoded, and go on being so.
    """
    try:
        png_colours.refuse_foreign(file)
    except png_colours.Foreign as problem:
        raise Unreadable(str(problem)) from problem
    with _place():
        try:
            picture = _decoded(file)
        except sandbox.FileUnreadable as problem:
            raise Unreadable(DAMAGED) from problem
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return ContentFile(encoded.getvalue())


def look_at(file: File[Any], name: str) -> None:
    """Refuse a HEIC or AVIF, called ``name``, for what it says of itself. It is kept as it came.

    Raises:
        WrongSize: it has too many pixels, or too few.
        Unreadable: it is cut off, or holds no picture that is read here.
        Unavailable: too many pictures are being read, and go on being so.
    """
    with _place():
        try:
            still = heif.read_still(file)
        except heif_boxes.Damaged as problem:
            raise Unreadable(DAMAGED) from problem
        except heif_boxes.Foreign as problem:
            raise Unreadable(f"{problem}, which is not read here") from problem
        finally:
            file.seek(0)
    check_size(name, still.width, still.height, MAX_DRAFTED_PIXELS)


@contextmanager
def _place() -> Iterator[None]:
    """The block is one of the ``AT_ONCE`` that have a picture read.

    Raises:
        Unavailable: none of them ends.
    """
    database.give_back()
    if not _places.acquire(timeout=WAIT_SECONDS):
        raise _busy()
    try:
        yield
    finally:
        _places.release()


def _decoded(file: File[Any]) -> Image.Image:
    """The pixels that the sandbox makes of the file. No decoder of Pillow runs in this process."""
    with _open(file) as own, sandbox.reading(PROGRAM, own, {}, wall_seconds=WALL_SECONDS) as (said, out):
        if isinstance(wrong := said.get("wrong_size"), dict):
            name, next_step = str(wrong.get("name")), str(wrong.get("next_step"))
            raise WrongSize(name, *sandbox.size_in(wrong, MOST_NAMED_PIXELS), next_step)
        size = sandbox.size_in(said, LONGEST_SIDE**2)
        pixels = out.read(3 * size[0] * size[1])
        _note_what_holds(confinement.SECCOMP in str(said.get("held")))
    if len(pixels) < 3 * size[0] * size[1]:
        raise sandbox.FileUnreadable(f"{DAMAGED}.")
    return Image.frombytes("RGB", size, pixels)


@contextmanager
def _open(file: File[Any]) -> Iterator[IO[bytes]]:
    """The file from its beginning, with a descriptor that no other process shares."""
    if isinstance(file, TemporaryUploadedFile):
        with Path(file.temporary_file_path()).open("rb") as own:
            yield own
        return
    with tempfile.TemporaryFile() as own:  # small, else it would be a file already
        file.seek(0)
        shutil.copyfileobj(file, own)
        own.seek(0)
        yield own


@cache
def _note_what_holds(is_filtered: bool) -> None:
    """Log once in a process whether the kernel gives the sandbox what it should have."""
    if is_filtered:
        logger.info("Pictures are decoded in a sandbox with seccomp")
    else:
        logger.warning("This kernel has no seccomp for pictures: a decoder that is taken over can reach the network")


def _busy() -> Unavailable:
    return Unavailable(
        "busy",
        _("We're reading a lot of pictures right now."),
        next_step=_("Nothing was charged. Try again in a minute."),
    )
