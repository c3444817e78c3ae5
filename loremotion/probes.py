"""What balancers and supervisors ask: ``/livez`` and ``/readyz``, answered in front of Django.

No Host is refused, nobody is sent on to https, and neither threads nor connections that requests use up are needed.
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from loremotion import health
from loremotion.bodies import App, Receive, Send

ANSWERED_FOR_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 8.0
READY_PATHS: Final = ("/readyz", "/healthz")
"""``/healthz`` is what ``/readyz`` was called in the last release."""


class Probes:
    """An ASGI application around another, in front of which the two probes are answered.

    ``/livez``: 200 as long as the loop turns; whoever hears nothing restarts the process.
    ``/readyz``: 200, or 503 while the database, Valkey or the disk is away, with the age of each process's last work.
    However many ask, the stores are asked by one at a time, and at most once a second.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readyz")
        self._asking: asyncio.Future[health.Readiness] | None = None
        self._asked_at = 0.0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        if scope["path"] == "/livez":
            return await _answer(send, 200, {"alive": True})
        if scope["path"] in READY_PATHS:
            return await self._answer_ready(send)
        await self._app(scope, receive, send)

    async def _answer_ready(self, send: Send) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                readiness = await asyncio.shield(self._ask())
        except TimeoutError:
            return await _answer(send, 503, {"timeout": True})
        await _answer(send, 200 if readiness.is_ready else 503, readiness.to_json())

    def _ask(self) -> asyncio.Future[health.Readiness]:
        is_over = self._asking is not None and self._asking.done()
        if self._asking is None or (is_over and time.monotonic() - self._asked_at > ANSWERED_FOR_SECONDS):
            self._asked_at = time.monotonic()
            self._asking = asyncio.get_running_loop().run_in_executor(self._thread, _served)
        return self._asking


def _served() -> health.Readiness:
    """Return whether this process is ready, which it has worked to say."""
    readiness = health.readiness()
    if readiness.is_ready:
        health.web_work().note()
    return readiness


async def _answer(send: Send, status: int, said: dict[str, Any]) -> None:
    body = json.dumps(said).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
