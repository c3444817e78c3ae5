"""Pictures that people send, decoded within bounds of memory and encoded anew."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from threading import BoundedSemaphore, Lock
from typing import IO, Any, Final

from django.core.files.base import ContentFile, File
from PIL import Image, ImageOps

from generation.submission import jpeg, picture_colours
from gpu_worker.media import heif
from loremotion import database
from loremotion.refusals import Unavailable

LEAST_SIDE: Final = 16
LONGEST_SIDE: Final = 2048
MAX_PIXELS: Final = (2 * LONGEST_SIDE) ** 2
"""That are decoded. A JPEG of a large sensor is drafted: an eighth of each side may be all that is. One too small for
that has less than twice the longest side.
"""
MAX_DRAFTED_PIXELS: Final = 205_000_000
FORMATS: Final = ("JPEG", "PNG", "WEBP")
AT_ONCE: Final = 2
"""Pictures that one process decodes at the same time. Each takes up to 150 MB."""
WAIT_SECONDS: Final = 20.0
_LINES: Final = 64

_places = BoundedSemaphore(AT_ONCE)
_lines = [Lock() for _ in range(_LINES)]


Image.MAX_IMAGE_PIXELS = None  # ``_check_size`` knows better what a picture takes


class WrongSize(ValueError):
    """The picture has too many pixels to be decoded here, or too few. The message says how many."""

    def __init__(self, name: str, width: int, height: int, next_step: str) -> None:
        super().__init__(f"The {name} has {width}x{height} pixels.")
        self.next_step = next_step


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
    line = _lines[hash(of) % _LINES]
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
    with _place():
        try:
            small = _decoded(file)
        except WrongSize:
            raise
        except (OSError, SyntaxError, ValueError) as problem:
            raise Unreadable(DAMAGED) from problem
    encoded = io.BytesIO()
    small.save(encoded, "PNG")
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
        except heif.Damaged as problem:
            raise Unreadable(DAMAGED) from problem
        except heif.Foreign as problem:
            raise Unreadable(f"{problem}, which is not read here") from problem
        finally:
            file.seek(0)
    _check_size(name, still.width, still.height, MAX_DRAFTED_PIXELS)


@contextmanager
def _place() -> Iterator[None]:
    """The block is one of the ``AT_ONCE`` that read a picture.

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


def _decoded(file: IO[Any] | File[Any]) -> Image.Image:
    """Never holds more than the picture as it came and one copy."""
    with Image.open(file, formats=FORMATS) as sent:
        name = sent.format or "picture"
        factor = min(1.0, LONGEST_SIDE / max(sent.size))
        is_one_pass = sent.format == "JPEG" and jpeg.has_one_scan(file)
        _check_size(name, *sent.size, MAX_DRAFTED_PIXELS if is_one_pass else MAX_PIXELS)
        if sent.format == "JPEG":
            sent.draft(None, (ceil(sent.width * factor), ceil(sent.height * factor)))
            _check_size(name, *sent.size, MAX_PIXELS)
        small = picture_colours.eight_bits(sent)
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        return picture_colours.as_shown(ImageOps.exif_transpose(small))


def _check_size(name: str, width: int, height: int, most: int) -> None:
    if width * height > most:
        otherwise = ", or save it without 'progressive'." if name == "JPEG" else ", or as a JPEG."
        next_step = f"Send one of at most {most // 10**6} megapixels"
        raise WrongSize(name, width, height, f"{next_step}{'.' if most > MAX_PIXELS else otherwise}")
    if min(width, height) < LEAST_SIDE:
        raise WrongSize(name, width, height, f"Send one of at least {LEAST_SIDE} pixels a side.")


def _busy() -> Unavailable:
    return Unavailable(
        "busy", "Many pictures are being read at this moment.", next_step="Nothing was taken; try again in a minute."
    )
