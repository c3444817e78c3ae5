"""A file that arrives whole or not at all, and goes on where the connection broke."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from loremotion.errors import error_of


class Download:
    """What has arrived of a file, beside its place until it is whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._etag = ""
        self._file = self._draft.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            self._draft.replace(self.path)
        else:
            self._draft.unlink(missing_ok=True)

    @property
    def headers(self) -> dict[str, str]:
        """What asks for the rest, if the file is still the same."""
        at = self._file.tell()
        return {"Range": f"bytes={at}-", "If-Range": self._etag} if at and self._etag else {}

    def begin(self, response: httpx.Response) -> None:
        """Take up the answer: the rest where it is that, else the whole file from its start.

        Raises:
            ApiError: the answer is an error. Its body has to have been read.
        """
        if response.is_error:
            raise error_of(response)
        if response.status_code != 206:
            self._file.seek(0)
            self._file.truncate()
        self._etag = response.headers.get("etag", "")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
