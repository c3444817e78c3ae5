"""The size of a picture or clip in pixels: rows, forms and the API spell it ``832x480``, people read 832 × 480."""

from __future__ import annotations

import re
from typing import NamedTuple

_SPELLED = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


class Size(NamedTuple):
    """Width and height in pixels. ``str`` spells it as rows do."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``832x480``.

        Raises:
            ValueError: it is spelled otherwise.
        """
        spelled = _SPELLED.fullmatch(text)
        if spelled is None:
            raise ValueError(f"{text!r} is not a size: write WIDTHxHEIGHT, as in 1280x704.")
        return cls(int(spelled[1]), int(spelled[2]))

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def times(self, factor: int) -> Size:
        """The size with both sides enlarged by a whole factor."""
        return Size(self.width * factor, self.height * factor)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def in_words(size: Size | str) -> str:
    """Return ``size`` as people read it, 1280 × 720, in one piece: a line never breaks within it."""
    return re.sub(r"(?<=\d)x(?=\d)", "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}", str(size))
