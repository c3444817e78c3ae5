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
    is_so: Callable[[], T | None], *, what: Callable[[], object] = lambda: "it", pause_seconds: float | None = None
) -> T:
    """The first truthy answer of ``is_so``.

    Args:
        what: says in the failure what did not happen, or how things stand instead.
        pause_seconds: between two questions. Left out, it is a tenth of the time waited so far, 0.1 s at most: asking
            takes the processor from whom one waits for.
    """
    __tracebackhide__ = True  # what did not happen is said first, not last
    began = time.monotonic()
    while not (answer := is_so()):
        waited = time.monotonic() - began
        assert waited < PATIENCE_SECONDS, f"not in {PATIENCE_SECONDS:.0f} s: {what()}"
        time.sleep(min(max(waited / 10, 0.005), 0.1) if pause_seconds is None else pause_seconds)
    return answer
