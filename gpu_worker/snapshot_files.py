"""Snapshots of unfinished renders as files: whole or not there, known to be undamaged, and gone in time.

A file is named after its generation and the digest of its content. It outlives the process that wrote it, so that the
next attempt on this host goes on from there; what is in it is the engine's concern (``gpu_worker.engine.snapshots``).
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

SUFFIX = ".safetensors"
DRAFT_SUFFIX = ".draft"
KEPT_SECONDS = 24 * 3600
"""A render whose next attempt has not come by then will not come here."""
MOST_BYTES = 16 * 2**30
"""Of all snapshots of a host; beyond it the oldest go."""
SWEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """The snapshots of one host, which its workers share."""

    folder: Path
    every_seconds: float
    """Shortest time between two of one render."""
    on_write: Callable[[], None] = lambda: None
    """Called when one is written."""

    def write(self, generation_id: str, content: bytes) -> None:
        """Replace the snapshot of this generation: a crash, also of the power, leaves the old one or the new one.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = self.of(generation_id)
        name = f"{_key(generation_id)}.{hashlib.sha256(content).hexdigest()}"
        draft = self.folder / f"{name}.{os.getpid()}{DRAFT_SUFFIX}"
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written = draft.replace(self.folder / f"{name}{SUFFIX}")
        finally:
            draft.unlink(missing_ok=True)
        _sync(self.folder)
        for path in before:
            if path != written:
                path.unlink(missing_ok=True)
        self.on_write()

    def of(self, generation_id: str) -> list[Path]:
        """The snapshots of a generation, newest first: one, or two where a crash came between."""
        return [path for _, path in sorted(self._dated(f"{_key(generation_id)}.*{SUFFIX}"), reverse=True)]

    def discard(self, generation_id: str) -> None:
        """Remove them: its clip is there, or will never be. What cannot be removed is swept some day."""
        with suppress(OSError):
            for path in self.of(generation_id):
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what is too old, and the oldest as long as all of them take too much."""
        oldest = time.time() - KEPT_SECONDS
        total_bytes = 0
        for written_at, path in sorted(self._dated("*"), reverse=True):
            with suppress(FileNotFoundError):  # another worker of this host sweeps too
                total_bytes += path.stat().st_size
                if written_at < oldest or total_bytes > MOST_BYTES:
                    path.unlink()

    def _dated(self, pattern: str) -> Iterator[tuple[float, Path]]:
        for path in self.folder.glob(pattern):
            with suppress(FileNotFoundError):
                yield path.stat().st_mtime, path


class HourlySweep:
    """Sweeps at once and then every hour: a host where no other render comes keeps nothing for longer either."""

    def __init__(self, *sweeps: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._sweeps = sweeps
        self._clock = clock
        self._next = clock()

    def run_if_due(self) -> None:
        """Sweep, if it is time. What cannot be removed is logged, and tried again in an hour."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + SWEEP_SECONDS
        for sweep in self._sweeps:
            try:
                sweep()
            except OSError as problem:
                logger.warning("What is old is not swept: %s", problem)


def is_undamaged(path: Path) -> bool:
    """Whether the content of a snapshot has the digest that its name says."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.name.removesuffix(SUFFIX).rpartition(".")[2] == digest


def _key(generation_id: str) -> str:
    """What a message calls a generation is no name of a file."""
    return hashlib.sha256(generation_id.encode()).hexdigest()[:32]


def _sync(folder: Path) -> None:
    """Without this, a power cut can undo the rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
