"""Reads the header of a WAV."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import IO, Any, Final

from gpu_worker.media.headers.header import MOST_BOXES, UNKNOWN, Damaged, Header, Track

_CODECS: Final[Mapping[int, str]] = MappingProxyType(
    {1: "pcm_s16le", 2: "adpcm_ms", 3: "pcm_f32le", 6: "pcm_alaw", 7: "pcm_mulaw", 0x11: "adpcm_ima_wav"}
    | {0x55: "mp3", 0x50: "mp2", 0x161: "wmav2", 0x2000: "ac3", 0xFFFE: UNKNOWN}
)


def read_header(file: IO[Any]) -> Header:
    """What its chunks say in front of the samples.

    Raises:
        Damaged: none says how the samples are coded.
    """
    end = file.seek(0, 2)
    header, bytes_a_second, at = Header(), 0, 12
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(24)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head[:8])
        if name == b"fmt ":
            kind, bytes_a_second = *struct.unpack("<H", head[8:10]), *struct.unpack("<I", head[16:20])
            header.tracks.append(Track("audio", _CODECS.get(kind, UNKNOWN)))
        elif name == b"data":
            header.seconds = (min(at + 8 + length, end) - at - 8) / bytes_a_second if bytes_a_second else None
            break
        at += 8 + length + length % 2
    if not header.tracks:
        raise Damaged
    return header
