"""Lines to providers whose every call has an end, however slowly they answer.

A client's own timeouts count the silence between two pieces. A provider that sends a byte a minute is never silent for
long, and would hold its clip, and the process that waits for it, for days. So a call as a whole has a time as well, and
who waits in it is asked every second whether it still wants to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import inf
from ssl import SSLContext
from typing import Any, Final

import httpcore
import httpx

SLICE_SECONDS: Final = 1.0
_WRITTEN_BYTES: Final = 64 * 1024
_clock = time.monotonic


def _nothing() -> None:
    """Nobody asks."""


class Limit(threading.local):
    """Until when the call of this thread may last, and what is to be done meanwhile."""

    ends_at: float = inf
    meanwhile: Callable[[], None] = staticmethod(_nothing)

    @contextmanager
    def of(self, seconds: float, meanwhile: Callable[[], None] = _nothing) -> Iterator[None]:
        """For the block: ``seconds`` in all; ``meanwhile`` is called every second, and may raise to end it."""
        self.ends_at, self.meanwhile = _clock() + seconds, meanwhile
        try:
            yield
        finally:
            self.ends_at, self.meanwhile = inf, _nothing

    @property
    def seconds_left(self) -> float:
        return self.ends_at - _clock()


class PatientTransport(httpx.HTTPTransport):
    """Sends over lines that keep ``limit``."""

    def __init__(self, limit: Limit) -> None:
        super().__init__()
        # httpx has no argument for what httpcore calls its network backend
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=_Backend(limit), keepalive_expiry=5.0
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Line(self._inner.connect_tcp(host, port, timeout, local_address, socket_options), self._limit)


class _Line(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, limit: Limit) -> None:
        self._inner = inner
        self._limit = limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        silent_until = inf if timeout is None else _clock() + timeout
        while True:
            self._limit.meanwhile()
            if min(self._limit.seconds_left, silent_until - _clock()) <= 0:
                raise httpcore.ReadTimeout
            try:
                piece = self._inner.read(max_bytes, SLICE_SECONDS)
            except httpcore.ReadTimeout:
                continue
            if self._limit.seconds_left <= 0:
                raise httpcore.ReadTimeout
            return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_BYTES):
            if self._limit.seconds_left <= 0:
                raise httpcore.WriteTimeout
            self._inner.write(buffer[start : start + _WRITTEN_BYTES], timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Line(self._inner.start_tls(ssl_context, server_hostname, timeout), self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
