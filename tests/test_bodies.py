"""Too much is refused before it is taken in."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync

from loremotion import bodies

ROUTES = [
    ("POST", "/v1/videos", "application/json", bodies.MAX_BODY_BYTES),
    ("POST", "/generations/", "multipart/form-data; boundary=x", bodies.MAX_FORM_BYTES),
    ("PUT", "/worker/files/token", "video/mp4", bodies.MAX_CLIP_BYTES),
    ("POST", "/worker/files/token", "video/mp4", bodies.MAX_BODY_BYTES),
]


def ask(method: str, path: str, content_type: str, *pieces: bytes, announced: int | None = None) -> tuple[int, int]:
    """Status, and the bytes that the application behind the limit was given."""
    headers = [(b"content-type", content_type.encode())]
    if announced is not None:
        headers.append((b"content-length", str(announced).encode()))
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []
    taken = 0

    async def receive() -> Any:
        return coming.pop(0)

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


@pytest.mark.parametrize(("method", "path", "content_type", "most"), ROUTES)
def test_what_is_announced_too_large_is_not_read(method: str, path: str, content_type: str, most: int) -> None:
    assert ask(method, path, content_type, b"x", announced=most + 1) == (413, 0)
    assert ask(method, path, content_type, b"x", announced=most) == (200, 1)


def test_what_comes_unannounced_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 10)
    assert ask("POST", "/", "text/plain", b"x" * 6, b"x" * 4) == (200, 10)
    assert ask("POST", "/", "text/plain", b"x" * 6, b"x" * 5, b"x" * 99) == (413, 6)
