"""The pipe from a worker to the supervisor above it: which job is held, and how long silence is in order.

The worker's main thread speaks, never a side thread: a heartbeat thread stays alive over a hung GPU, this does not.
Each message replaces the last one; a worker that stays silent for longer than it announced is stuck.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """The latest word of a worker: its job, and how long silence is in order."""

    job_id: str | None
    """RQ's id of the job in its hands."""
    patience_seconds: float
    """Silence beyond this means that it is stuck."""


class Lifeline:
    """The worker's end. Without a descriptor (a worker run by hand, without a supervisor) it says nothing."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._last = Word(None, 60.0)
        if descriptor is not None:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)

    def say(self, job_id: str | None, patience_seconds: float) -> None:
        self._last = Word(job_id, patience_seconds)
        self.repeat()

    def repeat(self) -> None:
        """Say the last word again: still at it."""
        if self._descriptor is None:
            return
        line = json.dumps([self._last.job_id, self._last.patience_seconds]).encode() + b"\n"
        try:
            # A supervisor that does not read (suspended in a debugger) must not stop the render.
            with contextlib.suppress(BlockingIOError):
                os.write(self._descriptor, line)
        except BrokenPipeError:
            raise SystemExit("The supervisor is gone; this worker ends with it.") from None


class Listener:
    """The supervisor's end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""
        os.set_blocking(descriptor, False)

    def words(self) -> list[Word]:
        """The words since the last call; empty after the worker's death."""
        while True:
            try:
                piece = os.read(self.descriptor, 65_536)
            except BlockingIOError:
                break
            self._rest += piece
            if not piece:
                break
        *lines, self._rest = self._rest.split(b"\n")
        return [Word(*json.loads(line)) for line in lines]

    def close(self) -> None:
        os.close(self.descriptor)
