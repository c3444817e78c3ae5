"""A server that notes whether whoever asks it holds a connection of the database meanwhile."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections


class Watchful(http.server.BaseHTTPRequestHandler):
    """Appends to the server's ``had_connection`` whether the caller had one while it waited for the answer."""

    server: Any

    def do_POST(self) -> None:
        self.server.had_connection.append(self.server.wrapper.connection is not None)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"<CopyObjectResult><ETag>2</ETag></CopyObjectResult>" if self.command == "PUT" else b"{}"
        self.send_response(200)
        for name, value in {"Content-Length": len(body), "Content-Type": "video/mp4", "ETag": "2"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serving() -> Iterator[Any]:
    """Yield a server with its ``url`` and its list ``had_connection``, which watches the thread that begins it."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Watchful)
    server.had_connection, server.wrapper = [], connections["default"]
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
