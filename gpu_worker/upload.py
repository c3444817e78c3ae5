"""Delivering a finished file: streamed, checked, and safe to repeat.

A reader of the target sees the old file or the whole new one, never a part: a ``file:`` target is written beside and
renamed, an object store does the same by itself.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx

from gpu_worker.addresses import CHUNK_BYTES, Hiccup, TransferFailed, check, local_path, persist, redact
from gpu_worker.contract import ANNOUNCE_QUERY


class UploadFailed(TransferFailed):
    """A finished file could not be delivered."""


class Uploader:
    """Puts files where addresses point. ``on_chunk`` is called for every piece sent: still alive."""

    def __init__(self, client: httpx.Client, attempts: int, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._pause = pause
        self._attempts = attempts

    def put(self, source: Path, address: str, content_type: str, on_chunk: Callable[[], None]) -> None:
        """Deliver ``source``, whole, replacing what is there.

        Raises:
            UploadFailed: the target refused, or stayed out of reach for every try.
        """
        try:
            target = local_path(address)
            if target is not None:
                _replace(source, target, on_chunk)
            elif urlsplit(address).query == ANNOUNCE_QUERY:
                announced = _announcement(source, content_type, on_chunk)
                bring = partial(self._bring_once, source, address, announced, on_chunk)
                persist(bring, self._attempts, self._pause)
            else:
                persist(lambda: self._put_once(source, address, content_type, on_chunk), self._attempts, self._pause)
        except TransferFailed as problem:
            raise UploadFailed(str(problem), is_retryable=problem.is_retryable) from problem

    def _bring_once(
        self, source: Path, address: str, announced: Mapping[str, str | int], on_chunk: Callable[[], None]
    ) -> None:
        """Put the file where the site says, and let the site find it there."""
        if (place := self._announce(address, announced)) is None:
            return
        on_chunk()
        what = f"Uploading to {redact(place.url)}"
        with source.open("rb") as file:
            response = self._client.put(place.url, content=_chunks(file, on_chunk), headers=place.headers)
        if response.status_code == HTTPStatus.BAD_REQUEST:  # what arrived is not what was sent
            raise Hiccup(f"{what}: the store took it for another file")
        check(response, what)
        if self._announce(address, announced) is not None:
            raise Hiccup(f"{what}: it did not arrive")

    def _announce(self, address: str, announced: Mapping[str, str | int]) -> _Place | None:
        """Where the file is to be put; None once it is there."""
        what = f"Announcing a file to {redact(address)}"
        response = self._client.post(address, json=announced)
        check(response, what)
        if response.status_code == HTTPStatus.NO_CONTENT:
            return None
        try:
            said = response.json()
            return _Place(
                url=str(said["url"]), headers={str(name): str(value) for name, value in said["headers"].items()}
            )
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise TransferFailed(f"{what}: the answer is none that a worker knows.", is_retryable=True) from problem

    def _put_once(self, source: Path, address: str, content_type: str, on_chunk: Callable[[], None]) -> None:
        on_chunk()
        # The length is announced, so that a broken stream is an error at the server instead of a short file.
        headers = {"Content-Length": str(source.stat().st_size), "Content-Type": content_type}
        with source.open("rb") as file:
            response = self._client.put(address, content=_chunks(file, on_chunk), headers=headers)
        check(response, f"Uploading to {redact(address)}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the site wants a file put, and by which headers the store knows it."""

    url: str
    headers: dict[str, str]


def _announcement(source: Path, content_type: str, on_chunk: Callable[[], None]) -> dict[str, str | int]:
    """What the site is told of a file before it is sent."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        for chunk in _chunks(file, on_chunk):
            digest.update(chunk)
    return {"content_type": content_type, "size_bytes": source.stat().st_size, "sha256": digest.hexdigest()}


def _replace(source: Path, target: Path, on_chunk: Callable[[], None]) -> None:
    beside = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(source, beside, on_chunk)
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as problem:
        cause = problem.strerror or problem
        raise TransferFailed(f"{target} cannot be written: {cause}.", is_retryable=True) from problem


def _copy(source: Path, target: Path, on_chunk: Callable[[], None]) -> None:
    with source.open("rb") as file, target.open("xb") as copy:
        for chunk in _chunks(file, on_chunk):
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if target.stat().st_size != source.stat().st_size:
        raise OSError(f"{target.stat().st_size} of {source.stat().st_size} bytes were written")


def _sync_folder(folder: Path) -> None:
    """Without this, a power cut can undo the rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _chunks(file: BinaryIO, on_chunk: Callable[[], None]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
        on_chunk()
