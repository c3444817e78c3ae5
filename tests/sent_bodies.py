"""Somebody who sends a body to the site, as its limits see them."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import async_to_sync
from django.core import signing

from loremotion import bodies

FORM = "multipart/form-data; boundary=x"
UPLOAD = "/worker/files/" + signing.dumps(["clips/x/clip.mp4", 5_000_000], salt="generation.files.upload")


async def stall() -> dict[str, Any]:
    """The next piece from somebody who has stopped sending."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def ask(
    method: str, path: str, content_type: str, *pieces: bytes, announced: int | None = None, stalls: bool = False
) -> tuple[int, int]:
    """Status, and the bytes that the application behind the limit was given."""
    headers = [(b"content-type", content_type.encode())]
    if announced is not None:
        headers.append((b"content-length", str(announced).encode()))
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if not stalls:
        coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []
    taken = 0

    async def receive() -> Any:
        return coming.pop(0) if coming else await stall()

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        nonlocal taken
        while (message := await receive())["type"] != "http.disconnect":
            taken += len(message["body"])
            if not message["more_body"]:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                return

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, receive, send)
    return sent[0]["status"], taken
