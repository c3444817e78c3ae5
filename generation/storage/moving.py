"""Files of a folder are copied into the bucket, each whole and as its digest says. What is there already is left.

So it may be broken off and begun again, and run twice: once while the site still uses the folder, and once more, for
the few files that came meanwhile, when it has stopped.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.storage.s3 import S3Store

PLACES: Final = ("clips", "inputs")
_UNFINISHED: Final = (".arriving", ".part", ".snapshot")
_READ_AT_ONCE_BYTES: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Moved:
    """A file, and whether it had to be copied."""

    key: str
    size_bytes: int
    is_new: bool


def files_of(folder: Path) -> list[Path]:
    """The files of clips and inputs, without what is still being written."""
    found = (path for place in PLACES for path in (folder / place).rglob("*"))
    return sorted(path for path in found if path.is_file() and path.suffix not in _UNFINISHED)


def move(folder: Path, files: list[Path], bucket: S3Store) -> Iterator[Moved]:
    """Copy files, and yield each once the bucket has it. One that the site deleted meanwhile is left out.

    Raises:
        StoreUnavailable: the bucket did not take one.
    """
    for path in files:
        key = path.relative_to(folder).as_posix()
        try:
            with path.open("rb") as file:
                digest = hashlib.sha256()
                while chunk := file.read(_READ_AT_ONCE_BYTES):
                    digest.update(chunk)
                size_bytes, sha256 = file.tell(), digest.hexdigest()
                is_new = not bucket.holds(key, size_bytes=size_bytes, sha256=sha256)
                if is_new:
                    file.seek(0)
                    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
                    bucket.put(key, file, content_type=kind, size_bytes=size_bytes, sha256=sha256)
        except FileNotFoundError:
            continue
        yield Moved(key, size_bytes, is_new)
