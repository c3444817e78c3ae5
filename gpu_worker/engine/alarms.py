"""Alarms that wait: a job's time limit rings between any two bytecodes, also where it would not be heard."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def alarms_deferred() -> Iterator[None]:
    """A SIGALRM that comes during the block is handled right after it.

    diffusers catches every exception while it reads a file, tries again as if the file were something else, and
    reports a broken checkpoint: the alarm would be lost, and the model blamed. Does nothing outside the main thread,
    where Python handles no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    has_rung = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal has_rung
        has_rung = True

    handler = signal.signal(signal.SIGALRM, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        if has_rung:
            signal.raise_signal(signal.SIGALRM)
