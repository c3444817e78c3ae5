"""How often Python looks for garbage in a web process."""

from __future__ import annotations

import gc
from typing import Final

from django.urls import get_resolver

YOUNG: Final = 5_000
"""Objects after which it looks through the newest. A request makes about a thousand that live while it is answered; by
Python's own 700 each was looked through several times, and nearly nothing found."""


def settle() -> None:
    """Load what requests need, and have none of it looked through again: a quarter of a million objects which stay to
    the end, and over which every request waited when it was their turn, for a tenth of a second."""
    assert get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    gc.enable()
