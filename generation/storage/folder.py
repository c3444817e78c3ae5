"""A folder as the store: the site's own, and perhaps shared with GPU hosts."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from generation.storage.store import LEFT_AFTER_SECONDS, Found, SignedPut

logger = logging.getLogger(__name__)

FOLDERS_A_ROUND: Final = 50
_HASHED_AT_ONCE_BYTES: Final = 1024**2
_OURS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FolderStore(FileSystemStorage):
    """The site itself sends and takes the bytes, unless GPU hosts share the folder."""

    takes_uploads = False
    _walks: dict[str, Iterator[os.DirEntry[str]]]
    """How far the walk through each place has come."""

    def shared_address(self, key: str) -> str | None:
        return Path(self.path(key)).as_uri() if settings.CLIP_UPLOAD == "folder" else None

    def sign_get(
        self, key: str, *, method: str = "GET", content_type: str, download_name: str = "", seconds: int
    ) -> str | None:
        return None

    def sign_put(self, key: str, *, content_type: str, size_bytes: int, sha256: str) -> SignedPut | None:
        return None

    def rename(self, arriving: str, key: str, *, sha256: str | None = None) -> None:
        os.replace(self.path(arriving), self.path(key))

    def holds(self, key: str, *, size_bytes: int, sha256: str) -> bool:
        digest = hashlib.sha256()
        try:
            if self.size(key) != size_bytes:
                return False
            with self.open(key) as file:
                for chunk in file.chunks(_HASHED_AT_ONCE_BYTES):
                    digest.update(chunk)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == sha256

    def head(self, key: str, size_bytes: int) -> bytes:
        with self.open(key) as file:
            return bytes(file.read(size_bytes))

    def append(self, key: str, tail: bytes, target: str, *, sha256: str) -> None:
        raise NotImplementedError("the site sends it behind the file")

    def next_found(self, place: str) -> Iterator[Found]:
        """Yields the files of the next few folders in it. One that has been empty for a while goes."""
        for folder in self._next_folders(Path(self.path(place))):
            try:
                written_at = folder.stat().st_mtime
                files = list(folder.iterdir())
                if not files and _OURS.fullmatch(folder.name) and written_at < time.time() - LEFT_AFTER_SECONDS:
                    folder.rmdir()
                for file in files:
                    yield Found(f"{place}/{folder.name}/{file.name}", file.stat().st_mtime)
            except (FileNotFoundError, NotADirectoryError):
                continue  # somebody else was quicker
            except OSError as problem:
                logger.warning("What is left in %s stays: %s", folder.name, problem.strerror)

    def _next_folders(self, root: Path) -> list[Path]:
        walks = self.__dict__.setdefault("_walks", {})
        walk = walks.pop(str(root), None)
        try:
            if walk is None:
                walk = os.scandir(root)
            folders = [Path(entry) for entry in islice(walk, FOLDERS_A_ROUND)]
        except FileNotFoundError:
            return []
        if len(folders) == FOLDERS_A_ROUND:
            walks[str(root)] = walk
        return folders
