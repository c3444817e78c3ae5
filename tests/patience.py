"""How long tests wait for what real processes and threads do.

A deadline is there so that a fault ends the test, and says nothing about speed: on a machine that does much else
everything takes many times as long, and only what will never come is waited for to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 120.0

T = TypeVar("T")


def wait_until(
    is_so: Callable[[], T | None], *, what: Callable[[], object] = lambda: "it", pause_seconds: float = 0.005
) -> T:
    """The first truthy answer of ``is_so``.

    Args:
        what: says in the failure what did not happen, or how things stand instead.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := is_so()):
        assert time.monotonic() < deadline, f"not in {PATIENCE_SECONDS:.0f} s: {what()}"
        time.sleep(pause_seconds)
    return answer
