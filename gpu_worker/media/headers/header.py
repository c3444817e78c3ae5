"""What a header says, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gpu_worker.media import formats

MOST_HEADER_BYTES: Final = 2 * 2**20
"""Of a header that is longer only the sandbox says what it holds."""
MOST_BOXES: Final = 256
MOST_PARTS: Final = 8_192
"""Boxes or elements that are looked at within a header, however they are nested."""
MOST_TRACKS: Final = 128
UNKNOWN: Final = "?"


class Damaged(ValueError):
    """The header is not there, or not all of it."""


@dataclass(slots=True)
class Track:
    """``kind`` is ``video`` or ``audio``. ``codec`` is the name of its decoder, or ``UNKNOWN``."""

    kind: str = ""
    codec: str = UNKNOWN
    width: int = 0
    height: int = 0

    @property
    def may_be_read(self) -> bool:
        return self.codec == UNKNOWN or self.codec in formats.CODECS[self.kind]


@dataclass(slots=True)
class Header:
    """What a container says. ``seconds`` is None where it does not say it."""

    seconds: float | None = None
    tracks: list[Track] = field(default_factory=list)

    def add_track(self) -> None:
        """Begin one more track.

        Raises:
            Damaged: there are more than files have.
        """
        if len(self.tracks) == MOST_TRACKS:
            raise Damaged
        self.tracks.append(Track())
