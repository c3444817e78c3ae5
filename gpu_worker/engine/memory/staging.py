"""Reading ahead: while one job denoises, a thread reads from disk what the next one will load.

The thread touches files and nothing else: no tensor, no module, no ledger. What it has read waits in the system's
cache of file pages, where the loader finds it at the speed of memory, and which the system takes back for free when
somebody needs the room. So there is nothing to hand over, nothing to lock and nothing to clean up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

PIECE_BYTES = 8 * 2**20
"""Read at once: small enough to stop soon, large enough to keep a disk busy."""


class Stager:
    """One reading at a time. Called from the owner's thread only."""

    def __init__(self) -> None:
        self.staged_bytes = 0
        """Read ahead since the start, by all readings."""
        self._reading: _Reading | None = None

    def begin(self, files: Iterable[Path], budget_bytes: int) -> None:
        """Read ``files`` in the background, in this order, as long as whole files fit into ``budget_bytes``.

        Returns at once. A reading under way is given up for it, unless it is of the same files.
        """
        within = _within(files, budget_bytes)
        if self._reading is not None and self._reading.files == within:
            return
        self.cancel()
        if within:
            self._reading = _Reading(within, self._count)
            self._reading.start()

    def cancel(self) -> None:
        """Give up what is being read: it ends after the piece in hand, and holds nothing then. Returns at once."""
        if self._reading is not None:
            self._reading.is_wanted = False
            self._reading = None

    def wait(self, seconds: float) -> bool:
        """Whether everything is read, after at most ``seconds``."""
        if self._reading is not None:
            self._reading.join(seconds)
        return self._reading is None or not self._reading.is_alive()

    def _count(self, size_bytes: int) -> None:
        self.staged_bytes += size_bytes


class _Reading(threading.Thread):
    def __init__(self, files: Sequence[Path], on_piece: Callable[[int], None]) -> None:
        super().__init__(name="reading-ahead", daemon=True)
        self.files = files
        self.is_wanted = True
        self._on_piece = on_piece

    def run(self) -> None:
        piece = bytearray(PIECE_BYTES)
        for file in self.files:
            try:
                with file.open("rb", buffering=0) as opened:
                    while self.is_wanted and (size_bytes := opened.readinto(piece)):
                        self._on_piece(size_bytes)
            except OSError as problem:  # the load itself will say so, if it comes to that
                log.info("%s is not read ahead: %s", file, problem)


def _within(files: Iterable[Path], budget_bytes: int) -> list[Path]:
    """The first of ``files`` that fit together; one that is not there takes no room."""
    within = []
    for file in files:
        try:
            budget_bytes -= file.stat().st_size
        except OSError:
            continue
        if budget_bytes < 0:
            break
        within.append(file)
    return within
