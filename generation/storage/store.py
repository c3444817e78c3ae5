"""What clips, posters and inputs lie in: one protocol over a folder and a bucket.

Bytes are saved, opened and deleted by Django's own storage API. What is here besides is how others come to a file
without its bytes passing through the site.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol, cast

from django.core.files.storage import default_storage

BROWSER_SECONDS: Final = 900
"""So long a browser may read a file by an address that the store was given for it."""
HOST_SECONDS: Final = 300
"""So long a GPU host has to begin with what an address lets it read or put."""
LEFT_AFTER_SECONDS: Final = 3600.0
"""A file that nobody wrote to for so long is not on its way any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPut:
    """An address that takes one file, and the headers that have to be sent with it: others are refused by the store."""

    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A file that lies in the store, and when it was last written to, in seconds since the epoch."""

    key: str
    written_at: float


class Store(Protocol):
    """Where files lie. Deleting twice is deleting once, and saving under a name that is taken by nobody else."""

    takes_uploads: bool
    """Whether others put and get files there themselves, by signed addresses."""

    def exists(self, name: str) -> bool: ...

    def delete(self, name: str) -> None: ...

    def size(self, name: str) -> int: ...

    def open(self, name: str, mode: str = "rb") -> IO[Any]: ...

    def save(self, name: str, content: Any) -> str: ...

    def shared_address(self, key: str) -> str | None:
        """Where GPU hosts find the file by themselves; None where they have to ask."""

    def sign_get(
        self, key: str, *, method: str = "GET", content_type: str, download_name: str = "", seconds: int
    ) -> str | None:
        """An address that reads one file for a while; None where the site sends it."""

    def sign_put(self, key: str, *, content_type: str, size_bytes: int, sha256: str) -> SignedPut | None:
        """An address that takes exactly these bytes, once a while; None where the site takes them."""

    def rename(self, arriving: str, key: str, *, sha256: str | None = None) -> None:
        """Give a whole file its name. A reader sees the old file or the new one, never a part. A bucket copies it,
        which may take minutes: ask for it outside transactions. It gives the name to no bytes of another digest.

        Raises:
            FileNotFoundError: there is none, or in a bucket none of that digest.
        """

    def holds(self, key: str, *, size_bytes: int, sha256: str) -> bool:
        """Whether exactly these bytes lie there."""

    def head(self, key: str, size_bytes: int) -> bytes:
        """The first bytes of a file. Raises FileNotFoundError."""

    def append(self, key: str, tail: bytes, target: str, *, sha256: str) -> None:
        """Have ``target`` be the file, which has this digest, with ``tail`` behind it."""

    def next_found(self, place: str) -> Iterator[Found]:
        """The next files of a place. The rounds go through all of it, so none grows with what is stored."""


def store() -> Store:
    """The store that ``STORAGE_URL`` names."""
    return cast(Store, default_storage)
