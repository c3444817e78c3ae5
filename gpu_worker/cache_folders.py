"""What a GPU host keeps to be quicker the next time: bounded, the least recently used leaves first.

Quantised weights and compiled kernels are made again where they are missing, and whoever has a file open keeps it, so
that any of them may go at any time. Without a bound they would fill the disk: each row, card and release of a library
leaves its own.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

GIB = 2**30
MOST_BYTES: Mapping[str, int] = {"quantised": 300 * GIB, "compiled": 10 * GIB}
"""By folder of the cache: about fifteen large models, and hundreds of compiled shapes."""
MOST_SHARE = 0.6
"""Of the disk, however large the bound: files of running renders and snapshots lie on it too."""
NEWEST_SECONDS = 3600.0
"""What was used in the last hour stays, whatever the bound: somebody may be about to read it."""


def sweep(cache: Path, now: float, most_bytes: Mapping[str, int] = MOST_BYTES) -> int:
    """Remove from each folder of ``cache`` what is beyond its bound. Returns the bytes that were removed.

    A file that cannot be looked at or removed is left for the next time.
    """
    if not cache.is_dir():
        return 0
    room_bytes = int(MOST_SHARE * shutil.disk_usage(cache).total)
    return sum(_sweep_one(cache / folder, now, min(most, room_bytes)) for folder, most in most_bytes.items())


def _sweep_one(folder: Path, now: float, most_bytes: int) -> int:
    files = sorted(_used_at(folder), reverse=True)
    kept_bytes = removed_bytes = 0
    for used_at, size_bytes, file in files:
        kept_bytes += size_bytes
        if kept_bytes <= most_bytes or used_at > now - NEWEST_SECONDS:
            continue
        try:
            file.unlink(missing_ok=True)
            removed_bytes += size_bytes
        except OSError as problem:
            logger.warning("%s cannot be removed from the cache: %s", file, problem)
    if removed_bytes:
        logger.info("%d MB of %s were removed from the cache", removed_bytes // 10**6, folder.name)
    return removed_bytes


def _used_at(folder: Path) -> list[tuple[float, int, Path]]:
    """When each file was last used, its bytes, and the file."""
    found = []
    for file in folder.rglob("*"):
        try:
            facts = file.lstat()
        except OSError:
            continue  # it went meanwhile
        if file.is_file() and not file.is_symlink():
            found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, file))
    return found
