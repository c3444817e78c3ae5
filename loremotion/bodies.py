"""How much may be sent. Django takes a whole body to memory or disk before it looks at it; this looks first.

A view that takes more than ``MAX_BODY_BYTES`` says so itself, by ``takes_files`` or ``limits_body``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from django.urls import Resolver404, resolve

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Receive, Send], Awaitable[None]]
View = TypeVar("View", bound=Callable[..., Any])

MAX_BODY_BYTES: Final = 1024**2
MAX_FORM_BYTES: Final = 128 * 1024**2
"""A form with the largest video that is taken, and pictures beside it."""
SILENT_SECONDS: Final = 30.0
"""Who sends nothing for so long in the middle of a body is not waited for."""
_LIMIT: Final = "body_limit"
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def limits_body(limit: Callable[..., int | None]) -> Callable[[View], View]:
    """Let ``limit`` say how many bytes the decorated view takes.

    It is called with the method, the content type and the parts of the address, before anything is read, and asks no
    store. Where it says None, the answer is 404 and nothing is read.
    """

    def decorate(view: View) -> View:
        setattr(view, _LIMIT, limit)
        return view

    return decorate


def takes_files(view: View) -> View:
    """The view, which takes forms with files."""
    return limits_body(_form_limit)(view)


def _form_limit(method: str, content_type: str, **_: object) -> int:
    return MAX_FORM_BYTES if method == "POST" and content_type.startswith("multipart/form-data") else MAX_BODY_BYTES


class BodyLimit:
    """An ASGI application around another that answers 413 where more is announced, or comes, than its route takes."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most_bytes = limit_of(scope)
        if most_bytes is None:
            return await _refuse(scope, send, 404, "not_found", "There is nothing here, or it is not yours.")
        if _announced(scope) > most_bytes:
            return await _refuse(scope, send, 413, "too_large", too_large(most_bytes))
        body = _Body(receive, most_bytes)
        has_answered = False

        async def watched(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        await self._app(scope, body.receive, watched)
        if has_answered:
            return
        if body.received_bytes > most_bytes:
            await _refuse(scope, send, 413, "too_large", too_large(most_bytes))
        elif body.is_silent:
            await _refuse(scope, send, 408, "incomplete", "The rest of the request did not come.")


class _Body:
    """What comes of one request. After too much of it, or too long a silence, it ends as if the client had left."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self.received_bytes = 0
        self.is_silent = False
        self._receive = receive
        self._most_bytes = most_bytes
        self._is_whole = False

    async def receive(self) -> Message:
        try:
            async with asyncio.timeout(None if self._is_whole else SILENT_SECONDS):
                message = await self._receive()
        except TimeoutError:
            self.is_silent = True
            return {"type": "http.disconnect"}
        self.received_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        return message if self.received_bytes <= self._most_bytes else {"type": "http.disconnect"}


def limit_of(scope: Any) -> int | None:
    """Most bytes that the body of this request may have; None where there is nothing to send it to."""
    if scope["method"] in _WITHOUT_BODY:
        return MAX_BODY_BYTES
    try:
        route = resolve(scope["path"])
    except Resolver404:
        return MAX_BODY_BYTES
    limit: Callable[..., int | None] | None = getattr(route.func, _LIMIT, None)
    if limit is None:
        return MAX_BODY_BYTES
    return limit(scope["method"], _header(scope, b"content-type").decode("latin-1"), **route.kwargs)


def _announced(scope: Any) -> int:
    digits = _header(scope, b"content-length")
    return int(digits) if digits.isdigit() and len(digits) < 19 else 0


def _header(scope: Any, name: bytes) -> bytes:
    return next((bytes(value).strip().lower() for key, value in scope["headers"] if key.lower() == name), b"")


def too_large(most_bytes: int) -> str:
    """The refusal of a body that has more than ``most_bytes``, in words."""
    return f"What was sent is too large: at most {most_bytes / 1024**2:g} MB are taken here."


async def _refuse(scope: Any, send: Send, status: int, code: str, words: str) -> None:
    """Answer without the site: with a problem document where programs ask, a page in browsers, else in plain words."""
    from loremotion.errors import PROBLEM, bare_page, document

    kind, body = b"text/plain", f"{words}\n"
    if scope["path"].startswith("/v1/"):
        kind, body = PROBLEM.encode(), json.dumps(document(status, code, words))
    elif b"text/html" in _header(scope, b"accept"):
        step = "Nothing was made, and nothing charged. Go back in your browser: what you wrote is still there."
        kind, body = b"text/html; charset=utf-8", bare_page("That cannot be sent", f"{words} {step}")
    headers = [(b"content-type", kind), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
