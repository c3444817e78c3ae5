"""A file that arrives whole or not at all, and goes on where the connection broke."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from loremotion.errors import not_a_site


class Download:
    """What has arrived of a file, beside its place until it is whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._draft = self.path.with_name(f".{uuid4().hex}.part")
        self._etag = ""
        self._file = self._draft.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if error is None:
                self._draft.replace(self.path)
        finally:
            self._draft.unlink(missing_ok=True)

    @property
    def headers(self) -> dict[str, str]:
        """What asks for the rest, if the file is still the same, in bytes that are those of the file."""
        at = self._file.tell()
        rest = {"Range": f"bytes={at}-", "If-Range": self._etag} if at and self._etag else {}
        return {"Accept-Encoding": "identity", **rest}

    def begins(self, response: httpx.Response) -> bool:
        """Take up the answer: the rest where it is that, else the whole file from its start. Returns whether it is
        either.

        Raises:
            LoreMotionError: a page, which something else than the API answered.
        """
        if not response.is_success:
            return False
        if response.headers.get("content-type", "").startswith("text/html"):
            raise not_a_site(response.request.url.host)
        if response.status_code != 206:
            self._file.seek(0)
            self._file.truncate()
        self._etag = response.headers.get("etag", "")
        return True

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
