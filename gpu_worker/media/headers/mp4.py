"""Reads the header of an MP4 or MOV."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import IO, Any, Final

from gpu_worker.media.headers.header import MOST_BOXES, MOST_HEADER_BYTES, MOST_PARTS, UNKNOWN, Damaged, Header, Track

_FOURCC: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        **dict.fromkeys((b"avc1", b"avc3"), "h264"),
        **dict.fromkeys((b"hvc1", b"hev1", b"dvh1", b"dvhe"), "hevc"),
        b"vp08": "vp8",
        b"vp09": "vp9",
        b"av01": "av1",
        **dict.fromkeys((b"jpeg", b"mjpa", b"mjpb"), "mjpeg"),
        **dict.fromkeys((b"apch", b"apcn", b"apcs", b"apco", b"ap4h", b"ap4x"), "prores"),
        **dict.fromkeys((b"AVdn", b"AVdh"), "dnxhd"),
        **dict.fromkeys((b"s263", b"h263"), "h263"),
        **dict.fromkeys((b"m2v1", b"mx5p", b"hdv2", b"hdv3", b"xd5b"), "mpeg2video"),
        b"CFHD": "cfhd",
        b"SVQ3": "svq3",
        b"rle ": "qtrle",
        b"vvc1": "vvc",
        b"ac-3": "ac3",
        b"ec-3": "eac3",
        b"samr": "amrnb",
        b"sawb": "amrwb",
        b"mlpa": "truehd",
        b"dtsc": "dca",
        b"alac": "alac",
        b"Opus": "opus",
        b"fLaC": "flac",
        b".mp3": "mp3",
    }
)
_MPEG4_OBJECTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x20: "mpeg4",
        0x21: "h264",
        0x23: "hevc",
        0x6C: "mjpeg",
        0x6A: "mpeg1video",
        0x40: "aac",
        0x6B: "mp3",
        0x69: "mp3",
    }
    | dict.fromkeys(range(0x60, 0x66), "mpeg2video")
    | dict.fromkeys(range(0x66, 0x69), "aac")
)
_CONTAINERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_MOST_DEPTH: Final = 5
_KINDS: Final = {b"vide": "video", b"soun": "audio"}


def read_header(file: IO[Any]) -> Header | None:
    """What the movie's box says; None where it is too long to be read here.

    Raises:
        Damaged: it is not there, or not all of it, or has more parts than files have.
    """
    end = file.seek(0, 2)
    at = 0
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        length, name = struct.unpack(">I4s", head[:8])
        start = 8
        if length == 1:
            (length,), start = struct.unpack(">Q", head[8:16]), 16
        length = length or end - at
        if name == b"moov":
            if length > MOST_HEADER_BYTES:
                return None
            if length < start or at + length > end:
                raise Damaged
            file.seek(at + start)
            return _movie(file.read(length - start))
        if length < start:
            raise Damaged
        at += length
    raise Damaged


def _movie(content: bytes) -> Header:
    header = Header()
    for count, (path, start, end) in enumerate(_boxes_within(content, 0, len(content), ())):
        if count == MOST_PARTS:
            raise Damaged
        if path == (b"mvhd",):
            scale, lasts = _scale_and_length(content[start:end])
            header.seconds = lasts / scale if scale else None
        elif path == (b"trak",):
            header.add_track()
        elif path[-1] == b"hdlr" and path[:2] == (b"trak", b"mdia") and len(path) == 3:
            header.tracks[-1].kind = _KINDS.get(content[start:end][8:12], "")
        elif path[-1] == b"stsd":
            _describe(header.tracks[-1], content[start + 8 : end])
    return header


def _boxes_within(
    content: bytes, at: int, end: int, path: tuple[bytes, ...]
) -> Iterator[tuple[tuple[bytes, ...], int, int]]:
    """``(names from the outside in, start, end)`` of every box, the outer before the inner."""
    while at + 8 <= end:
        length, name = struct.unpack_from(">I4s", content, at)
        length = length or end - at
        if length < 8 or at + length > end:
            return  # QuickTime ends its lists with a zero or with nothing
        yield (*path, name), at + 8, at + length
        if name in _CONTAINERS and len(path) < _MOST_DEPTH:
            yield from _boxes_within(content, at + 8, at + length, (*path, name))
        at += length


def _scale_and_length(mvhd: bytes) -> tuple[int, int]:
    if mvhd[0] == 1:
        scale, lasts = struct.unpack_from(">IQ", mvhd, 20)
        return scale, 0 if lasts == 2**64 - 1 else lasts
    scale, lasts = struct.unpack_from(">II", mvhd, 12)
    return scale, 0 if lasts == 2**32 - 1 else lasts


def _describe(track: Track, entry: bytes) -> None:
    is_mpeg4 = entry[4:8] in (b"mp4v", b"mp4a")
    track.codec = _mpeg4_codec(entry) if is_mpeg4 else _FOURCC.get(entry[4:8], UNKNOWN)
    if track.kind == "video":
        track.width, track.height = struct.unpack_from(">HH", entry, 32)


def _mpeg4_codec(entry: bytes) -> str:
    """Of an entry that says no more than "MPEG-4": the type of its stream, two descriptors deep."""
    at = entry.find(b"esds") + 8
    for tag, skipped in ((3, 3), (4, 0)):
        if entry[at] != tag:
            return UNKNOWN
        at += 1
        while entry[at] & 0x80:
            at += 1
        at += 1 + skipped
    return _MPEG4_OBJECTS.get(entry[at], UNKNOWN)
