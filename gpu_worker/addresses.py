"""Addresses of input and output files: what ``file:``, ``http:`` and ``https:`` mean here, and trying them again."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from gpu_worker.backoff import pause_after

CHUNK_BYTES = 1024 * 1024
_PLACE: Final = re.compile(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[a-z0-9_]+\.(mp4|jpg|png|sent|snapshot)\Z")
_Result = TypeVar("_Result")


class TransferFailed(Exception):
    """A file could not be fetched or delivered. ``is_retryable``: another attempt, with fresh addresses, may do it."""

    def __init__(self, message: str, *, is_retryable: bool) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable


class Hiccup(Exception):
    """This try failed in a way that the next one may not."""


def client() -> httpx.Client:
    """The HTTP client of a worker. It follows no redirects by itself: a signed address moves nowhere, but for an input
    that lies in the site's object store, where ``Fetcher`` goes on once."""
    return httpx.Client(timeout=httpx.Timeout(60.0, connect=10.0), follow_redirects=False)


def local_path(address: str) -> Path | None:
    """The file that a ``file:`` address names, or None for ``http:`` and ``https:``.

    Raises:
        TransferFailed: another scheme, or a ``file:`` address of another host or without an absolute path.
    """
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return None
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise TransferFailed(
            f"{redact(address)} is no address that a worker can use: file:///…, http:// or https:// is expected.",
            is_retryable=False,
        )
    return path


def verify_place(address: str) -> None:
    """Refuse a ``file:`` address unless the website keeps files there: by the name and in a folder that an id names.

    Whoever has taken over another host can write into the records of jobs, and must not have this one read or replace
    whatever else its user may.

    Raises:
        TransferFailed: it is elsewhere. Another attempt comes with addresses of the website's.
    """
    path = local_path(address)
    if path is not None and (".." in path.parts or not _PLACE.search(str(path))):
        raise TransferFailed("A file of the job does not lie where the website keeps them.", is_retryable=True)


def redact(address: str) -> str:
    """Whose address it is, as a log may say: path and query may hold a signature, and the front a password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}/…"


def check(response: httpx.Response, what: str) -> None:
    """Sort an answer into done, try again and give up.

    Raises:
        Hiccup: the server is busy or broken for the moment.
        TransferFailed: it will not do it, however often it is asked.
    """
    status = response.status_code
    if status in (408, 425, 429) or status >= 500:
        raise Hiccup(f"{what}: the server answered {status}")
    if not response.is_success:
        # Signed addresses expire (403): the next attempt carries fresh ones.
        raise TransferFailed(f"{what}: the server answered {status}.", is_retryable=status in (401, 403))


def persist(action: Callable[[], _Result], attempts: int, pause: Callable[[float], None]) -> _Result:
    """Run ``action`` until it succeeds, up to ``attempts`` times, waiting longer after each hiccup.

    Raises:
        TransferFailed: from ``action``, or because every try ended in a hiccup.
    """
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except (Hiccup, httpx.TransportError) as problem:
            if attempt == attempts:
                cause = str(problem) or type(problem).__name__
                raise TransferFailed(f"{cause}, {attempts} times.", is_retryable=True) from problem
            pause(pause_after(attempt, 0.5, 8.0) * random.uniform(0.5, 1.0))
    raise AssertionError("attempts is at least 1")
