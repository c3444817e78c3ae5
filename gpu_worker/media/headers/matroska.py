"""Reads the header of a WebM or Matroska."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import IO, Any, Final

from gpu_worker.media.headers.header import MOST_HEADER_BYTES, MOST_PARTS, UNKNOWN, Damaged, Header, Track

_CODEC_IDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "V_VP8": "vp8",
        "V_VP9": "vp9",
        "V_AV1": "av1",
        "V_MPEG4/ISO/AVC": "h264",
        "V_MPEGH/ISO/HEVC": "hevc",
        "V_MPEG4/ISO/ASP": "mpeg4",
        "V_MPEG2": "mpeg2video",
        "V_MPEG1": "mpeg1video",
        "V_MJPEG": "mjpeg",
        "V_PRORES": "prores",
        "V_THEORA": "theora",
        "A_OPUS": "opus",
        "A_VORBIS": "vorbis",
        "A_FLAC": "flac",
        "A_ALAC": "alac",
        "A_AAC": "aac",
        "A_MPEG/L3": "mp3",
        "A_MPEG/L2": "mp2",
        "A_AC3": "ac3",
        "A_EAC3": "eac3",
        "A_DTS": "dca",
        "A_TRUEHD": "truehd",
    }
)
_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675
_SCALE, _DURATION, _TYPE, _CODEC_ID, _WIDTH, _HEIGHT = 0x2AD7B1, 0x4489, 0x83, 0x86, 0xB0, 0xBA
_MOST_DEPTH: Final = 4
_MOST_NUMBER_BYTES: Final = 8
_TRACK_KINDS: Final = {1: "video", 2: "audio"}


def read_header(file: IO[Any]) -> Header | None:
    """What stands in front of the first pictures; None where that is too long to be read here.

    Raises:
        Damaged: it is no sequence of elements, or one of more than files have.
    """
    file.seek(0)
    content = file.read(MOST_HEADER_BYTES)
    header, scale_nanoseconds, lasts = Header(), 1_000_000, 0.0
    for count, (name, start, end) in enumerate(_elements(content, 0, len(content))):
        if count == MOST_PARTS:
            raise Damaged
        value = content[start:end]
        if name == _CLUSTER:
            break
        if name == _ENTRY:
            header.add_track()
        elif name == _SCALE:
            scale_nanoseconds = _unsigned(value)
        elif name == _DURATION:
            (lasts,) = struct.unpack(">f" if len(value) == 4 else ">d", value)
        elif header.tracks:
            _note(header.tracks[-1], name, value)
    else:
        if len(content) == MOST_HEADER_BYTES:
            return None  # what lies in front of the pictures is longer than is read
    header.seconds = lasts * scale_nanoseconds / 1e9 or None
    return header


def _note(track: Track, name: int, value: bytes) -> None:
    if name == _TYPE:
        track.kind = _TRACK_KINDS.get(_unsigned(value), "")
    elif name == _CODEC_ID:
        said = value.rstrip(b"\x00").decode("ascii", "replace")
        track.codec = _CODEC_IDS.get(said, UNKNOWN)
    elif name == _WIDTH:
        track.width = _unsigned(value)
    elif name == _HEIGHT:
        track.height = _unsigned(value)


def _unsigned(value: bytes) -> int:
    if len(value) > _MOST_NUMBER_BYTES:
        raise Damaged
    return int.from_bytes(value)


def _elements(content: bytes, at: int, end: int, depth: int = 0) -> Iterator[tuple[int, int, int]]:
    """``(id, start, end)`` of every element, the outer before the inner, as far as the content goes."""
    while at < end:
        name, at = _number(content, at, keeps_marker=True)
        length, at = _number(content, at, keeps_marker=False)
        until = end if length < 0 else min(at + length, end)
        yield name, at, until
        if name in (_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO) and depth < _MOST_DEPTH:
            yield from _elements(content, at, until, depth + 1)
        at = until


def _number(content: bytes, at: int, *, keeps_marker: bool) -> tuple[int, int]:
    """EBML's number of variable length and where it ends; -1 for one that says "unknown"."""
    first = content[at]
    size = 9 - first.bit_length()
    if size > 8 or at + size > len(content):
        raise Damaged
    value = int.from_bytes(content[at : at + size])
    if keeps_marker:
        return value, at + size
    value &= (1 << 7 * size) - 1
    return (-1 if value == (1 << 7 * size) - 1 else value), at + size
