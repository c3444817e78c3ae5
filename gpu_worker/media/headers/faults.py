"""What is wrong with a file, as far as its header tells: the sandbox would refuse it for the same."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import IO, Any, Final

from gpu_worker.media import bounds, formats
from gpu_worker.media.formats import Format
from gpu_worker.media.headers import matroska, mp4, wav
from gpu_worker.media.headers.header import Damaged, Header

_READERS: Final[Mapping[str, Callable[[IO[Any]], Header | None]]] = MappingProxyType(
    {"mp4": mp4.read_header, "mov": mp4.read_header, "matroska": matroska.read_header, "wav": wav.read_header}
)


def find_fault(file: IO[Any], found: Format, kind: str) -> str | None:
    """Return why the sandbox would refuse the file when asked for ``kind``, in words that follow "The MOV "; None where
    the header gives no reason. Leaves the file at its beginning.
    """
    try:
        header = _header_of(file, found)
    except Damaged:
        return "is damaged or cut off."
    if header is None:
        return None
    tracks = [track for track in header.tracks if track.kind == kind]
    if not tracks:
        return bounds.no_stream(kind)
    track = next((track for track in tracks if track.may_be_read), tracks[0])
    if not track.may_be_read:
        return formats.wrong_codec(kind, track.codec)
    too_small_or_large = bounds.wrong_size(track.width, track.height) if track.width and track.height else None
    return bounds.wrong_length(header.seconds) or too_small_or_large


def seconds_of(file: IO[Any], found: Format) -> float | None:
    """Return how long the file is by its header; None where that says nothing that can be. Leaves the file at its
    beginning."""
    try:
        header = _header_of(file, found)
    except Damaged:
        return None
    seconds = header.seconds if header is not None else None
    return seconds if seconds is not None and 0 < seconds <= bounds.MOST_SECONDS + 1 else None  # it may be NaN


def _header_of(file: IO[Any], found: Format) -> Header | None:
    """None of a format whose headers are not read here.

    Raises:
        Damaged: it is not there, or not all of it.
    """
    read = _READERS.get(found.demuxer)
    try:
        return read(file) if read is not None else None
    except (struct.error, IndexError) as problem:
        raise Damaged from problem
    finally:
        file.seek(0)
