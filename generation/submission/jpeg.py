"""What a JPEG says of itself before its first pixel."""

from __future__ import annotations

from typing import IO, Any, Final

_START_OF_IMAGE: Final = b"\xff\xd8"
_ONE_BY_ONE: Final = frozenset({0xC0, 0xC1})
"""Frames that are decoded from top to bottom: neither progressive nor lossless."""
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_START_OF_SCAN: Final = 0xDA
_MOST_SEGMENTS: Final = 2_000


def has_one_scan(file: IO[Any]) -> bool:
    """Whether the picture comes in one pass over all its colours. Of one that does not, the decoder keeps every
    coefficient at full size, however small the result. Leaves the file where it was."""
    before = file.tell()
    try:
        file.seek(0)
        return file.read(2) == _START_OF_IMAGE and _is_one_pass(file)
    finally:
        file.seek(before)


def _is_one_pass(file: IO[Any]) -> bool:
    colours = None
    for _ in range(_MOST_SEGMENTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return False
        marker, length = head[1], int.from_bytes(head[2:])
        segment = file.read(length - 2) if length >= 2 else b""
        if marker in _FRAMES:
            if marker not in _ONE_BY_ONE or len(segment) < 6:
                return False
            colours = segment[5]
        elif marker == _START_OF_SCAN:
            return bool(segment) and segment[0] == colours
    return False
