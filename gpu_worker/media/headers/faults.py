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
    read = _READERS.get(found.demuxer)
    if read is None:
        return None
    try:
        header = read(file)
    except (Damaged, struct.error, IndexError):
        return "is damaged or cut off."
    finally:
        file.seek(0)
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
