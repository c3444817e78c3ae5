"""Snapshots of unfinished renders as files: whole or not there, known to be undamaged, and gone in time.

A file is named after its generation and the digest of its content. It outlives the process that wrote it, so that the
next attempt on this host goes on from there; what is in it is the engine's concern (``gpu_worker.engine.snapshots``).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

logger = logging.getLogger(__name__)

SUFFIX = ".safetensors"
DRAFT_SUFFIX = ".draft"
KEPT_SECONDS = 24 * 3600
"""A render whose next attempt has not come by then will not come here."""
MOST_BYTES = 16 * 2**30
"""Of all snapshots of a host; beyond it the oldest go."""
SWEEP_SECONDS = 3600.0
MOST_HEADER_BYTES: Final = 100_000_000
"""What safetensors itself takes at most."""
HEADER_PROBLEMS: Final = (OSError, LookupError, TypeError, ValueError, RecursionError)
"""What ``read_header`` raises."""


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """The snapshots of one host, which its workers share."""

    folder: Path
    every_seconds: float
    """Shortest time between two of one render."""
    on_write: Callable[[], None] = lambda: None
    """Called when one is written."""

    def write(self, generation_id: str, content: bytes) -> None:
        """As ``write_pieces``, of what is in memory."""
        self.write_pieces(generation_id, [content], hashlib.sha256(content).hexdigest())

    def write_pieces(self, generation_id: str, pieces: Iterable[bytes], digest: str) -> None:
        """Replace the snapshot of this generation: a crash, also of the power, leaves the old one or the new one.

        Args:
            digest: SHA-256 of all pieces together, in hexadecimal.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = self.of(generation_id)
        name = f"{_key(generation_id)}.{digest}"
        draft = self.folder / f"{name}.{os.getpid()}{DRAFT_SUFFIX}"
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.writelines(pieces)
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


def digest_of(path: Path) -> str:
    """The digest that the name of a snapshot says."""
    return path.name.removesuffix(SUFFIX).rpartition(".")[2]


def is_undamaged(path: Path) -> bool:
    """Whether the content of a snapshot has the digest that its name says."""
    with path.open("rb") as file:
        return digest_of(path) == hashlib.file_digest(file, "sha256").hexdigest()


def read_header(path: Path) -> dict[str, Any]:
    """What the engine put beside the tensors of a snapshot. Needs no torch: a safetensors file begins with the length
    of its JSON, eight bytes little-endian, and that JSON (https://huggingface.co/docs/safetensors#format).

    Raises:
        HEADER_PROBLEMS: there is no such file, or it is none of ours.
    """
    with path.open("rb") as file:
        if (size_bytes := int.from_bytes(file.read(8), "little")) > MOST_HEADER_BYTES:
            raise ValueError(f"a header of {size_bytes} bytes")
        return dict(json.loads(json.loads(file.read(size_bytes))["__metadata__"]["header"]))


def standing_of(path: Path) -> tuple[int, int]:
    """The attempt that took a snapshot and the steps that were done, by which the newer of two is the larger. Nought
    of what cannot be read."""
    try:
        header = read_header(path)
        return int(header["attempt"]), int(header["steps"][0])
    except HEADER_PROBLEMS:
        return 0, 0


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
