"""An HTTP server on this machine that answers as it is told, for uploads and downloads."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class FileServer(http.server.ThreadingHTTPServer):
    """Keeps what is PUT and gives it back. ``answers`` are the statuses of the next requests, then all succeed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.answers: list[int] = []
        self.requests: list[str] = []

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self._next_status(200)
        if status == 200:
            self.server.files[self.path] = body
            self.server.headers[self.path] = dict(self.headers)
        self._answer(status, b"")

    def do_GET(self) -> None:
        body = self.server.files.get(self.path)
        self._answer(self._next_status(404 if body is None else 200), body or b"")

    def _next_status(self, usual: int) -> int:
        self.server.requests.append(f"{self.command} {self.path}")
        return self.server.answers.pop(0) if self.server.answers else usual

    def _answer(self, status: int, body: bytes) -> None:
        if status == 0:  # hang up without a word
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are in ``server.requests``."""


@contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
