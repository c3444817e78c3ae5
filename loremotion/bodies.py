"""How much may be sent. Django takes a whole body to memory or disk before it looks at it; this looks first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 1024**2
MAX_FORM_BYTES: Final = 128 * 1024**2
"""A form with six pictures of 20 MB."""
MAX_CLIP_BYTES: Final = 2 * 1024**3


class BodyLimit:
    """An ASGI application around another that answers 413 where more is announced, or comes, than its route takes."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most_bytes = limit_of(scope)
        if _announced(scope) > most_bytes:
            return await _refuse(send)
        received_bytes, has_answered = 0, False

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            return message if received_bytes <= most_bytes else {"type": "http.disconnect"}

        async def watched(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        await self._app(scope, counted, watched)
        if received_bytes > most_bytes and not has_answered:
            await _refuse(send)


def limit_of(scope: Any) -> int:
    """Most bytes that the body of this request may have."""
    if scope["path"].startswith("/worker/files/") and scope["method"] == "PUT":
        return MAX_CLIP_BYTES
    return MAX_FORM_BYTES if _header(scope, b"content-type").startswith(b"multipart/form-data") else MAX_BODY_BYTES


def _announced(scope: Any) -> int:
    digits = _header(scope, b"content-length")
    return int(digits) if digits.isdigit() and len(digits) < 19 else 0


def _header(scope: Any, name: bytes) -> bytes:
    return next((bytes(value).strip().lower() for key, value in scope["headers"] if key.lower() == name), b"")


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"What was sent is too large.\n"})
