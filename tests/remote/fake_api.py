"""A provider on this machine, over HTTP: each fake answers as its provider documents, and can be made to misbehave."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tests.patience import PATIENCE_SECONDS


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
    """An answer. ``status`` 0 hangs up without one; ``cut`` hangs up that many bytes before its end; ``slow`` is one
    of ``SLOW``."""

    status: int = 200
    body: bytes | dict[str, Any] = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    slow: str = ""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


SLOW = ("late", "dribble", "dribble_body", "stall")
"""Nothing comes; byte by byte comes for a day, or so of the body alone; half of the body comes, and no more."""
LONG_SECONDS = 100_000.0


class Fake(Protocol):
    def answer(self, asked: Asked) -> Said: ...


def stage_of(asked: Asked) -> str:
    """``start``, ``look`` or ``download``, with whichever of the fakes."""
    if asked.method == "POST":
        return "start"
    return "download" if re.search(r"/content$|/files/|\.mp4$", asked.path) else "look"


@dataclass
class Clock:
    """Time as who waits for the server has it: it passes where the server is slow, and nowhere else."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, fake: Fake) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake
        self.asked: list[Asked] = []
        self.next: list[Said | Callable[[Asked], Said]] = []
        """Said instead of what the fake would say, one for each request."""
        self.slow: list[tuple[str, str]] = []
        """Stages, and how slow the next answer of each is; what the fake does for it, it has done."""
        self.clock = Clock()

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
        stage = stage_of(asked)
        for one in self.server.slow:
            if one[0] == stage:
                self.server.slow.remove(one)
                said = replace(said, slow=one[1])
                break
        with contextlib.suppress(OSError):  # who waited has hung up
            self._send(said)

    def _send(self, said: Said) -> None:
        content = said.content
        line, head = self.wfile, io.BytesIO()
        self.wfile = head
        self.send_response(said.status)
        for name, value in {"Content-Type": said.kind, "Content-Length": str(len(content)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile = line
        if said.slow == "late":
            return self._wait()
        if said.slow == "dribble":
            return self._dribble(head.getvalue() + content)
        self.wfile.write(head.getvalue())
        if said.slow == "dribble_body":
            return self._dribble(content)
        if said.slow == "stall":
            self.wfile.write(content[: len(content) // 2])
            return self._wait()
        self.wfile.write(content[: len(content) - said.cut])

    def _dribble(self, content: bytes) -> None:
        """The day passes at once after the first: a clock that went on with each byte would go on in the next call."""
        self.wfile.write(content[:1])
        self.server.clock.seconds += LONG_SECONDS
        for place in range(1, len(content)):
            self.wfile.write(content[place : place + 1])

    def _wait(self) -> None:
        """Until whoever asked has hung up."""
        self.server.clock.seconds += LONG_SECONDS
        self.connection.settimeout(PATIENCE_SECONDS)
        self.connection.recv(1)

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
