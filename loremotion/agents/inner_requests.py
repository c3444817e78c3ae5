"""Requests to this site's own API from within the process, in the name of whoever sent an outer one.

They go through the whole of Django: key, limits, workspace and the second wall are as for a request from outside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import anyio
from django.conf import settings

from loremotion.bodies import App, Message
from loremotion.cross_origin import ALLOW_ORIGIN

HANDED_ON: Final = frozenset(
    {
        *(b"authorization", b"host", b"origin", b"user-agent", b"x-request-id"),
        *(b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"),
    }
)
"""Headers of the outer request that its inner ones bear. No cookie: an agent is known by its key alone."""
ALLOWED: Final = ALLOW_ORIGIN.lower().encode()
_SCOPE: Final = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[bytes, bytes]
    """By their names in small letters."""
    parts: AsyncIterator[bytes]

    async def read(self) -> bytes:
        return b"".join([part async for part in self.parts])


class InnerRequests:
    """Asks ``app`` for others of its addresses in the name of whoever sent ``scope``."""

    def __init__(self, app: App, scope: Mapping[str, Any]) -> None:
        self._app = app
        self._scope = scope

    def header(self, name: bytes) -> bytes | None:
        """What whoever sent the outer one says under ``name``; None where they say nothing."""
        return next((value for said, value in self._scope["headers"] if said.lower() == name), None)

    def lets_its_page_read(self, answer: Answer) -> bool:
        """Whether the page that sent the outer request may read ``answer``; what is no page of elsewhere may."""
        origin = self.header(b"origin")
        return origin is None or ALLOWED in answer.headers or origin == settings.SITE_URL.encode()

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Answer]:
        """Yield the answer as soon as its head is there. Who leaves the block has hung up.

        Raises:
            RuntimeError: the application ended without an answer.
        """
        content = json.dumps(body).encode() if body is not None else b""
        sent: asyncio.Queue[Message | None] = asyncio.Queue()
        has_left = asyncio.Event()
        bodies = iter([{"type": "http.request", "body": content, "more_body": False}])

        async def receive() -> Message:
            for message in bodies:
                return message
            await has_left.wait()
            return {"type": "http.disconnect"}

        async def run() -> None:
            try:
                await self._app(self._inner(method, path, query or {}, content, headers or {}), receive, sent.put)
            finally:
                sent.put_nowait(None)

        async def parts() -> AsyncIterator[bytes]:
            while (message := await sent.get()) is not None:
                if part := message.get("body", b""):
                    yield part
                if not message.get("more_body", False):
                    return

        serving = asyncio.create_task(run())
        try:
            if (head := await sent.get()) is None:
                raise RuntimeError(f"{method} {path} was not answered")
            named = {name.lower(): value for name, value in head.get("headers", ())}
            yield Answer(head["status"], named, parts())
        finally:
            has_left.set()
            with anyio.CancelScope(shield=True):
                await asyncio.gather(serving, return_exceptions=True)

    def _inner(
        self, method: str, path: str, query: Mapping[str, str], content: bytes, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        own = {name: value for name, value in self._scope.items() if name in _SCOPE}
        handed_on = [(name, value) for name, value in self._scope["headers"] if name.lower() in HANDED_ON]
        said = {"content-length": str(len(content)), **headers}
        if content:
            said["content-type"] = "application/json"
        return own | {
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": urlencode(query).encode(),
            "headers": [*handed_on, *((name.lower().encode(), value.encode()) for name, value in said.items())],
        }
