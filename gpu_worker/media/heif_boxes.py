"""The boxes of ISO/IEC 14496-12 of which a HEIC or AVIF is made, and the numbers in them. Knows nothing of pictures but
how many parts one may have."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any, Final

MOST_META_BYTES: Final = 2 * 2**20
MOST_TILES: Final = 4_096
_MOST_BOXES: Final = 64
MOST_ITEMS: Final = 2 * MOST_TILES + 64
"""As many boxes may lie in another: a picture's tiles, those of its transparency, and what else a camera adds."""


class Damaged(ValueError):
    """The file is no HEIC or AVIF, or not all of one."""


class Foreign(ValueError):
    """The file is sound and holds a picture of a kind that is not read here. The message says which."""


def meta_box(file: IO[Any]) -> tuple[bytes, int]:
    """The content of the box that describes the pictures, and where in the file it lies."""
    end = file.seek(0, 2)
    at, is_moving = 0, False
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        length, name = struct.unpack(">I4s", head[:8])
        start = 8
        if length == 1:
            (length,), start = struct.unpack(">Q", head[8:16]), 16
        length = length or end - at
        if length < start or at + length > end:
            raise Damaged("a box is longer than the file")
        if name == b"meta":
            if length > MOST_META_BYTES:
                raise Damaged("its description is too long")
            file.seek(at + start)
            return file.read(length - start), at + start
        is_moving = is_moving or name == b"moov"
        at += length
        if at == end and is_moving:
            raise Foreign("is an animation without a picture of its own")
    raise Damaged("there is no description")


def boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """``(name, start, end)`` of each box in a part of ``content``."""
    left = MOST_ITEMS
    while at + 8 <= end:
        left -= 1
        if left < 0:
            raise Damaged("it has more parts than pictures have")
        length, name = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", content, start)
            start += 8
        length = length or end - at
        if length < start - at or at + length > end:
            raise Damaged("a box is longer than what it lies in")
        yield name, start, at + length
        at += length


class Numbers:
    """Reads one number after the other, none of what lies behind ``end``."""

    def __init__(self, content: bytes, at: int, end: int) -> None:
        self._content = content
        self.at = at
        self._end = end

    def next(self, size: int) -> int:
        if self.at + size > self._end:
            raise Damaged("it ends in the middle of a number")
        self.at += size
        return int.from_bytes(self._content[self.at - size : self.at])

    def count(self, size: int, most: int) -> int:
        """The next number, which says how many there are of something."""
        count = self.next(size)
        if count > most:
            raise Damaged("it has more parts than pictures have")
        return count

    def version(self) -> int:
        version = self.next(1)
        self.next(3)
        return version
