"""Delivering a finished file: streamed, checked, and safe to repeat.

A reader of the target sees the old file or the whole new one, never a part: a ``file:`` target is written beside and
renamed, an object store does the same by itself.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx

from gpu_worker.addresses import CHUNK_BYTES, TransferFailed, check, local_path, persist, redact


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
            else:
                persist(lambda: self._put_once(source, address, content_type, on_chunk), self._attempts, self._pause)
        except TransferFailed as problem:
            raise UploadFailed(str(problem), is_retryable=problem.is_retryable) from problem

    def _put_once(self, source: Path, address: str, content_type: str, on_chunk: Callable[[], None]) -> None:
        on_chunk()
        # The length is announced, so that a broken stream is an error at the server instead of a short file.
        headers = {"Content-Length": str(source.stat().st_size), "Content-Type": content_type}
        with source.open("rb") as file:
            response = self._client.put(address, content=_chunks(file, on_chunk), headers=headers)
        check(response, f"Uploading to {redact(address)}")


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
