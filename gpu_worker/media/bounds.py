"""What a file may be at most, and how the sandbox says that one is more, or is not what it should be."""

from __future__ import annotations

import sys
from typing import NoReturn

REFUSED = 3
"""The exit status of the sandbox where a sentence on standard error says what is wrong."""
MOST_SECONDS = 60
MOST_PIXELS = 4096 * 2304
"""Of a frame. A picture of its own may have more."""
MOST_STILL_PIXELS = 205_000_000
MOST_FRAMES = 4_000
"""Of the file, before any is left out: a minute at 60 a second, and a little."""
MOST_STREAMS = 16
LEAST_SIDE = 16


def refuse(sentence: str) -> NoReturn:
    """End with what is wrong, in words that follow "The input 'video' "."""
    sys.stderr.write(f"{sentence}\n")
    sys.stdout.flush()
    sys.exit(REFUSED)


def wrong_length(seconds: float | None) -> str | None:
    """What is wrong with a file of that length, None where nothing is."""
    if seconds and seconds > MOST_SECONDS + 1:  # a clip of ours may be a frame longer than a minute
        return f"is {seconds:,.0f} seconds long, and {MOST_SECONDS} are the most."
    return None


def wrong_size(width: int, height: int, most: int = MOST_PIXELS) -> str | None:
    """What is wrong with frames of that size, None where nothing is."""
    if width * height > most:
        return f"is {width}x{height} pixels large, and {most:,} pixels are the most."
    if min(width, height) < LEAST_SIDE and width:
        return f"is {width}x{height} pixels small, and {LEAST_SIDE} a side are the least."
    return None


def no_stream(kind: str) -> str:
    """That the file holds nothing of ``kind``, ``video`` or ``audio``."""
    return f"holds no {'sound' if kind == 'audio' else kind}, or is damaged or cut off."


def refuse_length(seconds: float | None) -> None:
    """End where the file is too long."""
    if sentence := wrong_length(seconds):
        refuse(sentence)


def refuse_size(width: int, height: int, most: int = MOST_PIXELS) -> None:
    """End where a frame is too large or too small."""
    if sentence := wrong_size(width, height, most):
        refuse(sentence)
