"""A folder and a bucket as one store, so that one site shows what it does about both."""

from __future__ import annotations

from typing import Any

from generation.storage import files
from generation.storage.folder import FolderStore
from generation.storage.s3 import S3Store
from loremotion import storage_url


class TwoPlaces(FolderStore):
    """What people send, and what is made of clips, lies in a bucket; the rest in a folder."""

    def __init__(self, *, location: Any, endpoint: str) -> None:
        super().__init__(location=location)
        bucket = storage_url.read(f"s3://clips?endpoint={endpoint}", base=location)
        self._bucket = S3Store(**bucket.backend()["OPTIONS"], access_key="key", secret_key="secret")

    def exists(self, name: str) -> bool:
        return self._bucket.exists(name) if _is_remote(name) else super().exists(name)

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        if name is not None and _is_remote(name):
            return str(self._bucket.save(name, content, max_length))
        return super().save(name, content, max_length)

    def delete(self, name: str) -> None:
        if _is_remote(name):
            self._bucket.delete(name)
        else:
            super().delete(name)


def _is_remote(name: str) -> bool:
    return name.startswith(files.INPUTS) or name.endswith(tuple(files.CONVERTED_NAMES.values()))
