"""A guard model of the tests' own: it answers OpenAI's ``/v1/moderations`` as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Scorer = Callable[[str], dict[str, float]]


class Service(ThreadingHTTPServer):
    """Scores each text by ``score``, answers with ``status``; ``asked`` has every body, ``tokens`` what each bore."""

    daemon_threads = True

    def __init__(self, score: Scorer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.score = score
        self.asked: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.status = 200
        self.silence = threading.Event()
        """Set, and it answers; until then whoever asks waits."""
        self.silence.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/moderations"


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(said)
        self.server.tokens.append(self.headers.get("Authorization", ""))
        self.server.silence.wait(20)
        body = json.dumps(
            {"results": [{"category_scores": self.server.score(each)} for each in said["input"]]}
        ).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(score: Scorer) -> Iterator[Service]:
    """A service in a thread, for as long as the block lasts."""
    with Service(score) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            service.silence.set()
            service.shutdown()
            thread.join()
