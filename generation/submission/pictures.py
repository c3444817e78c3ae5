"""Pictures that people send, decoded within bounds of memory and encoded anew."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import IO, Any, Final

from django.core.files.base import ContentFile, File
from PIL import Image, ImageOps

from loremotion import database
from loremotion.refusals import Unavailable

MAX_PIXELS: Final = 16_000_000
LONGEST_SIDE: Final = 2048
FORMATS: Final = ("JPEG", "PNG", "WEBP")
AT_ONCE: Final = 2
"""Pictures that one process decodes at the same time. Each takes up to 150 MB."""
WAIT_SECONDS: Final = 20.0
_SMALLER_FIRST: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Ways of keeping pixels that can be made fewer as they are; the others become colours first."""
_LINES: Final = 64

_places = BoundedSemaphore(AT_ONCE)
_lines = [Lock() for _ in range(_LINES)]


class TooLarge(ValueError):
    """The picture has more than ``MAX_PIXELS``; the message says how many."""


class Unreadable(ValueError):
    """This is no picture, or a damaged one."""


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
        TooLarge: it has too many pixels. Nothing is decoded.
        Unreadable: it is none that can be read.
        Unavailable: too many pictures are being decoded, and go on being so.
    """
    database.give_back()
    if not _places.acquire(timeout=WAIT_SECONDS):
        raise _busy()
    try:
        small = _decoded(file)
    except (OSError, SyntaxError, Image.DecompressionBombError) as problem:
        raise Unreadable(str(problem)) from problem
    except ValueError as problem:
        raise problem if isinstance(problem, TooLarge) else Unreadable(str(problem)) from problem
    finally:
        _places.release()
    encoded = io.BytesIO()
    small.save(encoded, "PNG")
    return ContentFile(encoded.getvalue())


def _decoded(file: IO[Any] | File[Any]) -> Image.Image:
    """Never holds more than the picture as it came and one copy."""
    longest = (LONGEST_SIDE, LONGEST_SIDE)
    with Image.open(file, formats=FORMATS) as sent:
        if sent.width * sent.height > MAX_PIXELS:
            raise TooLarge(f"The picture has {sent.width}x{sent.height} pixels.")
        sent.draft("RGB", longest)  # a JPEG need not be decoded in full
        small: Image.Image = sent if sent.mode in _SMALLER_FIRST else sent.convert("RGB")
        small.thumbnail(longest, Image.Resampling.LANCZOS)
        return ImageOps.exif_transpose(small).convert("RGB")


def _busy() -> Unavailable:
    return Unavailable(
        "busy", "Many pictures are being read at this moment.", next_step="Nothing was taken; try again in a minute."
    )
