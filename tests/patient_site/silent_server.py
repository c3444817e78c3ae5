"""Somebody on the other end of a line who can be silent for as long as a test likes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class SilentServer:
    """Takes connections and what is sent, and answers nothing. It hangs up at once, except while it is ``silent``."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_silent = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def waiting(self) -> int:
        """How many wait for an answer now. Who has hung up is not counted, nor who came before this silence."""
        with self._lock:
            return len(self._lines)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Keep everybody waiting who comes in the block, and hang up behind it."""
        with self._lock:
            self._is_silent = True
        try:
            yield
        finally:
            with self._lock:
                self._is_silent = False
                for line in self._lines:
                    with contextlib.suppress(OSError):  # they have hung up themselves
                        line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                line, _ = self._listener.accept()
                with self._lock:
                    if self._is_silent:
                        self._lines.add(line)
                        threading.Thread(target=self._read, args=[line], daemon=True).start()
                    else:
                        line.close()

    def _read(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while line.recv(65_536):
                pass
        with self._lock:
            self._lines.remove(line)
        line.close()


def wait_at(address: str) -> None:
    """Return when the server at this address hangs up."""
    host, _, port = address.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as line:
        line.recv(1)
