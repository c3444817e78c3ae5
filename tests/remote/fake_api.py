"""A provider on this machine, over HTTP: each fake answers as its provider documents, and can be made to misbehave."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Said:
    """An answer. ``status`` 0 hangs up without one; ``cut`` hangs up that many bytes before its end."""

    status: int = 200
    body: bytes | dict[str, Any] = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Fake(Protocol):
    def answer(self, asked: Asked) -> Said: ...


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, fake: Fake) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake
        self.asked: list[Asked] = []
        self.next: list[Said | Callable[[Asked], Said]] = []
        """Said instead of what the fake would say, one for each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.asked.append(asked)
        said = self.server.next.pop(0) if self.server.next else self.server.fake.answer(asked)
        if callable(said):
            said = said(asked)
        self.close_connection = True
        if said.status == 0:
            return
        content = said.content
        self.send_response(said.status)
        for name, value in {"Content-Type": said.kind, "Content-Length": str(len(content)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) - said.cut])

    do_GET = do_POST = do_DELETE = _do

    def log_message(self, format: str, *args: object) -> None:
        """Requests are in ``server.asked``."""


@contextmanager
def serving(fake: Fake) -> Iterator[Server]:
    server = Server(fake)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
