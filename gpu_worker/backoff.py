"""How long to wait before Valkey is asked again that cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator

FIRST_SECONDS, LONGEST_SECONDS = 0.1, 2.0


def pauses_seconds() -> Iterator[float]:
    """Yield the pause before each further try, without end: each twice the one before, up to two seconds."""
    pause = FIRST_SECONDS
    while True:
        yield pause
        pause = min(LONGEST_SECONDS, 2 * pause)
