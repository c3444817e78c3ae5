"""Cloudflare's Turnstile as far as a site sees it: a script that puts an answer into the form, and a check of it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from tests.patience import PATIENCE_SECONDS

SECRET = "secret-of-the-fake"
SITE_KEY = "site-key-of-the-fake"
SCRIPT = """
for (const widget of document.querySelectorAll(".cf-turnstile")) {
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = "cf-turnstile-response";
  input.value = "good-" + widget.dataset.sitekey;
  widget.append(input);
}
"""


class FakeTurnstile(http.server.ThreadingHTTPServer):
    """Takes each answer that begins with ``good`` once. ``asked`` is what came; ``says`` replaces the next verdicts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []
        self.says: bytes | None = None
        self.is_silent = threading.Event()
        self.may_end = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def verdict(self, said: dict[str, str]) -> dict[str, Any]:
        answers = [earlier["response"] for earlier in self.asked]
        self.asked.append(said)
        if said["secret"] != SECRET:
            return {"success": False, "error-codes": ["invalid-input-secret"]}
        if not said["response"].startswith("good"):
            return {"success": False, "error-codes": ["invalid-input-response"]}
        if said["response"] in answers:
            return {"success": False, "error-codes": ["timeout-or-duplicate"]}
        return {"success": True, "hostname": "127.0.0.1", "action": "newcomer", "error-codes": []}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeTurnstile

    def do_GET(self) -> None:
        self._answer(SCRIPT.encode(), "text/javascript")

    def do_POST(self) -> None:
        said = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        verdict = json.dumps(self.server.verdict(said)).encode()
        if self.server.is_silent.is_set():
            self.server.may_end.wait(PATIENCE_SECONDS)
            return
        self._answer(self.server.says if self.server.says is not None else verdict, "application/json")

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """What was asked is in ``server.asked``."""


@contextmanager
def serving() -> Iterator[FakeTurnstile]:
    server = FakeTurnstile()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.may_end.set()
        server.shutdown()
        server.server_close()
        thread.join()
