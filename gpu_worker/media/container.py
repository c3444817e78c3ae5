"""Opens the file that the sandbox was given, as what it is, within the bounds."""

from __future__ import annotations

import sys
from typing import Any

from gpu_worker.media import bounds
from gpu_worker.media.formats import AAC, CODECS, FLAC, HEAD_BYTES, Format, format_of, read_head, tag_bytes, wrong_codec

_MOST_TAGS = 8


def given_format() -> Format | None:
    """What the file on standard input is; it is left at its beginning. Behind a tag of MP3's lies AAC or FLAC too, as
    radio stations and some players write it."""
    file = sys.stdin.buffer
    head = read_head(file)
    named, at = format_of(head), 0
    for _ in range(_MOST_TAGS):
        if not (length := tag_bytes(head)):
            break
        at += length
        file.seek(at)
        head = file.read(HEAD_BYTES)
    file.seek(0)
    behind = format_of(head) if at else None
    return behind if behind in (AAC, FLAC) else named


def open_stream(kind: str) -> tuple[Any, Any]:
    """The container on standard input and its first stream of ``kind`` that is read here, which say that they are small
    enough. A phone adds others, of its own codecs."""
    import av
    from av.stream import Disposition

    found = given_format()
    if found is None or not found.demuxer:
        name = f" ({found.name})" if found else ""
        bounds.refuse(
            f"is of no format that is read here{name}: MP4, MOV or WebM for video, WAV, MP3, M4A, AAC, OGG or FLAC for"
            " sound."
        )
    options = {"protocol_whitelist": "none", "enable_drefs": "0", "max_streams": str(bounds.MOST_STREAMS)}
    container = av.open(sys.stdin.buffer, format=found.demuxer, options=options)
    if len(container.streams) > bounds.MOST_STREAMS:
        bounds.refuse(f"has {len(container.streams)} streams, and {bounds.MOST_STREAMS} are the most.")
    # a cover is a stream of one picture
    streams = [one for one in getattr(container.streams, kind) if not one.disposition & Disposition.attached_pic]
    if not streams:
        bounds.refuse(bounds.no_stream(kind))
    stream = next((stream for stream in streams if _codec_of(stream) in CODECS[kind]), streams[0])
    if _codec_of(stream) not in CODECS[kind]:
        bounds.refuse(wrong_codec(kind, _codec_of(stream)))
    bounds.refuse_length(container.duration and container.duration / av.time_base)
    bounds.refuse_length(stream.duration and stream.time_base and float(stream.duration * stream.time_base))
    stream.codec_context.thread_count = 1
    return container, stream


def _codec_of(stream: Any) -> str | None:
    return str(stream.codec_context.name) if stream.codec_context else None


def start_of(container: Any) -> float:
    """The second at which the first of the file's streams begins."""
    import av

    return float(container.start_time / av.time_base) if container.start_time is not None else 0.0
