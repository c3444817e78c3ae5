"""How much may be sent. Django takes a whole body to memory or disk before it looks at it; this looks first.

A view that takes more than ``MAX_BODY_BYTES`` says so itself, by ``takes_files`` or ``limits_body``. A body that comes
without saying how long it is (``Transfer-Encoding: chunked``) is taken in here, within the limit, and handed on with
its length: Django's parsers and DRF's take what has none for empty.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Receive, Send], Awaitable[None]]
View = TypeVar("View", bound=Callable[..., Any])

MAX_BODY_BYTES: Final = 1024**2
MAX_FORM_BYTES: Final = 128 * 1024**2
"""A form with the largest video that is taken, and pictures beside it."""
MAX_JSON_BYTES: Final = 16 * 1024**2
"""JSON of a view that takes files, which may spell one out in a data URI."""
ROOM_FOR_AGENTS: Final = {"/mcp": MAX_JSON_BYTES}
"""Addresses in front of Django that take more than ``MAX_BODY_BYTES``."""
ROUTE: Final = "loremotion.route"
"""In the scope of a request with a body: its path, and the ``ResolverMatch`` of that."""
SILENT_SECONDS: Final = 30.0
"""Who sends nothing for so long in the middle of a body is not waited for."""
LEAST_BYTES_PER_SECOND: Final = 4096
"""Who falls ``SILENT_SECONDS`` behind this is not waited for either. What came faster before buys no time."""
WHOLE_SECONDS: Final = 600.0
"""Who has not sent all of it by then is not waited for, however fast it comes."""
WHOLE_BYTES_PER_SECOND: Final = 1024**2
"""Only what may be larger than goes into ``WHOLE_SECONDS`` at this pace, a GPU host's clip, is given longer."""
MOST_LARGE_FORMS: Final = 16
"""Forms of more than ``MAX_BODY_BYTES`` that one process takes at a time: on its disk until their answer begins.
What comes to an address that was signed for one file is not counted among them, or strangers could keep clips out."""
AGAIN_AFTER_SECONDS: Final = 60
TWO_LENGTHS: Final = gettext_lazy(
    "The request says twice, and differently, where it ends: by Content-Length and by Transfer-Encoding."
)
"""A proxy that believed the other of the two would take what follows for another caller's request."""
TOO_LARGE: Final = gettext_lazy("That's too large. The limit here is %(megabytes)s MB.")
REPLAYED_BYTES: Final = 64 * 1024
"""Of a body that was taken in here, in one piece of what is handed on."""
LIMIT: Final = "body_limit"
"""The attribute of a view that has a limit of its own."""
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def limits_body(limit: Callable[..., int | None]) -> Callable[[View], View]:
    """Let ``limit`` say how many bytes the decorated view takes.

    It is called with the method, the content type and the parts of the address, before anything is read, and asks no
    store. Where it says None, the answer is 404 and nothing is read.
    """

    def decorate(view: View) -> View:
        setattr(view, LIMIT, limit)
        return view

    return decorate


def takes_files(view: View) -> View:
    """The view, which takes forms with files."""
    return limits_body(_form_limit)(view)


def _form_limit(method: str, content_type: str, **_: object) -> int:
    if method != "POST":
        return MAX_BODY_BYTES
    if content_type.startswith("multipart/form-data"):
        return MAX_FORM_BYTES
    return MAX_JSON_BYTES if content_type.startswith("application/json") else MAX_BODY_BYTES


class BodyLimit:
    """An ASGI application around another that answers 413 where more is announced, or comes, than its route takes."""

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._slots = _FormSlots()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if _has_length(scope) and _header(scope, b"transfer-encoding"):
            return await _refuse(scope, send, 400, "two_lengths", TWO_LENGTHS)
        most_bytes = limit_of(scope)
        if most_bytes is None:
            return await _refuse(
                scope, send, 404, "not_found", gettext_lazy("There's nothing here, or it isn't yours.")
            )
        if _announced(scope) > most_bytes:
            return await _refuse(scope, send, 413, "too_large", TOO_LARGE, megabytes=megabytes(most_bytes))
        body = _Body(receive, most_bytes, self._clock, self._slots if _is_form(scope) else None)
        try:
            await self._take(scope, body, send)
        finally:
            body.release()

    async def _take(self, scope: Any, body: _Body, send: Send) -> None:
        if _has_length(scope) or scope["method"] in _WITHOUT_BODY:
            return await self._serve(scope, body, body.receive, send)
        with SpooledTemporaryFile(max_size=MAX_BODY_BYTES) as file:
            if await _take_in(body, file):
                measured = {**scope, "headers": _with_length(scope["headers"], body.received_bytes)}
                return await self._serve(measured, body, _Replayed(file, body).receive, send)
        await self._refuse_unfinished(scope, body, send)

    async def _serve(self, scope: Any, body: _Body, receive: Receive, send: Send) -> None:
        has_answered = False

        async def watched(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            body.release()  # nobody reads it any more, however long the answer takes
            await send(message)

        await self._app(scope, receive, watched)
        if not has_answered:
            await self._refuse_unfinished(scope, body, send)

    async def _refuse_unfinished(self, scope: Any, body: _Body, send: Send) -> None:
        """Say what was wrong with the body; nothing to who left in the middle of it."""
        if body.received_bytes > body.most_bytes:
            await _refuse(scope, send, 413, "too_large", TOO_LARGE, megabytes=megabytes(body.most_bytes))
        elif body.is_silent:
            late = gettext_lazy("The rest of the request didn't arrive, or came too slowly.")
            await _refuse(scope, send, 408, "incomplete", late)
        elif body.is_turned_away:
            busy = gettext_lazy("Too many files are being uploaded right now. Try again in a minute.")
            await _refuse(scope, send, 503, "busy", busy)


class _FormSlots:
    """Counts the large forms that are being taken at this moment."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self) -> bool:
        """Take a slot. Returns whether one was free."""
        if self._taken >= MOST_LARGE_FORMS:
            return False
        self._taken += 1
        return True

    def release(self) -> None:
        self._taken -= 1


class _Body:
    """What comes of one request. After too much of it, too long a silence, too slowly, or as one of too many that are
    large, it ends as if the client had left."""

    def __init__(self, receive: Receive, most_bytes: int, clock: Callable[[], float], slots: _FormSlots | None) -> None:
        self.received_bytes = 0
        self.most_bytes = most_bytes
        self.is_silent = False
        self.is_whole = False
        self.is_turned_away = False
        self._receive = receive
        self._clock = clock
        self._slots = slots
        self._has_slot = False
        self._behind_seconds = 0.0
        """Waited for, beyond what came in that time is worth. Never less than nothing: a burst buys no time."""
        self._ends_at = clock() + max(WHOLE_SECONDS, most_bytes / WHOLE_BYTES_PER_SECOND)

    async def receive(self) -> Message:
        if self.is_whole:
            return await self._receive()
        asked_at = self._clock()
        try:
            async with asyncio.timeout(min(SILENT_SECONDS - self._behind_seconds, self._ends_at - asked_at)):
                message = await self._receive()
        except TimeoutError:
            self.is_silent = True
            return {"type": "http.disconnect"}
        piece_bytes = len(message.get("body", b""))
        self.received_bytes += piece_bytes
        self.is_whole = message["type"] == "http.request" and not message.get("more_body", False)
        self._count(self._clock() - asked_at, piece_bytes)
        is_taken = self.received_bytes <= self.most_bytes and not self.is_silent and self._has_room()
        return message if is_taken else {"type": "http.disconnect"}

    def release(self) -> None:
        """Give its slot back, if it has one."""
        if self._slots is not None and self._has_slot:
            self._slots.release()
            self._has_slot = False

    def _count(self, waited_seconds: float, piece_bytes: int) -> None:
        """Note what a piece was worth, and whether it came too late. The time that we take over one is not counted."""
        behind = self._behind_seconds + waited_seconds - piece_bytes / LEAST_BYTES_PER_SECOND
        self._behind_seconds = max(0.0, behind)
        is_late = self._behind_seconds >= SILENT_SECONDS or self._clock() >= self._ends_at
        self.is_silent |= is_late and not self.is_whole

    def _has_room(self) -> bool:
        if self._slots is not None and not self._has_slot and self.received_bytes > MAX_BODY_BYTES:
            self._has_slot = self._slots.take()
            self.is_turned_away = not self._has_slot
        return not self.is_turned_away


class _Replayed:
    """A body that was taken in, from its file; then whatever the client does."""

    def __init__(self, file: SpooledTemporaryFile[bytes], body: _Body) -> None:
        self._file = file
        self._body = body
        self._left_bytes: int | None = body.received_bytes
        file.seek(0)

    async def receive(self) -> Message:
        if self._left_bytes is None:
            return await self._body.receive()
        piece = self._file.read(REPLAYED_BYTES)
        self._left_bytes -= len(piece)
        has_more = self._left_bytes > 0
        if not has_more:
            self._left_bytes = None
            self._file.close()
        return {"type": "http.request", "body": piece, "more_body": has_more}


async def _take_in(body: _Body, file: SpooledTemporaryFile[bytes]) -> bool:
    """Write the body to ``file``, and say whether all of it came and was not too much."""
    while not body.is_whole:
        message = await body.receive()
        if message["type"] != "http.request":
            return False
        piece = message.get("body", b"")
        if body.received_bytes <= MAX_BODY_BYTES:  # in memory
            file.write(piece)
        else:
            await asyncio.to_thread(file.write, piece)
    return True


def limit_of(scope: Any) -> int | None:
    """Most bytes that the body of this request may have; None where there is nothing to send it to. What its path leads
    to is noted in ``scope``, for who asks next."""
    if scope["method"] in _WITHOUT_BODY:
        return MAX_BODY_BYTES
    try:
        route = resolve(scope["path"])
    except Resolver404:
        return ROOM_FOR_AGENTS.get(scope["path"], MAX_BODY_BYTES)
    scope[ROUTE] = (scope["path"], route)
    limit: Callable[..., int | None] | None = getattr(route.func, LIMIT, None)
    if limit is None:
        return MAX_BODY_BYTES
    return limit(scope["method"], _header(scope, b"content-type").decode("latin-1"), **route.kwargs)


def _is_form(scope: Any) -> bool:
    """Whether it is what anybody may send, and not a file for which an address was signed."""
    return bool(scope["method"] == "POST")


def _announced(scope: Any) -> int:
    digits = _header(scope, b"content-length")
    return int(digits) if digits.isdigit() and len(digits) < 19 else 0


def _has_length(scope: Any) -> bool:
    return bool(_header(scope, b"content-length"))


def _with_length(headers: Iterable[tuple[bytes, bytes]], size_bytes: int) -> list[tuple[bytes, bytes]]:
    kept = [header for header in headers if header[0].lower() != b"transfer-encoding"]
    return [*kept, (b"content-length", str(size_bytes).encode())]


def _header(scope: Any, name: bytes) -> bytes:
    return next((bytes(value).strip().lower() for key, value in scope["headers"] if key.lower() == name), b"")


def megabytes(size_bytes: int) -> str:
    """A limit as people read it."""
    return f"{size_bytes / 1024**2:g}"


async def _refuse(scope: Any, send: Send, status: int, code: str, words: StrOrPromise, **figures: str) -> None:
    """Answer without the site: with a problem document where programs ask, a page in browsers, else in plain words.

    What people read is in the language of their browser. ``words`` have a place for each figure.
    """
    from loremotion import languages
    from loremotion.errors import PROBLEM, bare_page, document, is_api

    with translation.override(languages.of_scope(scope)):
        said = str(words) % figures
        kind, body = b"text/plain; charset=utf-8", f"{said}\n"
        if is_api(scope["path"]):
            kind, body = PROBLEM.encode(), json.dumps(document(status, code, said))
        elif b"text/html" in _header(scope, b"accept"):
            step = _("Nothing was made or charged. Go back in your browser: what you wrote is still there.")
            kind, body = b"text/html; charset=utf-8", bare_page(_("That didn't go through"), f"{said} {step}")
    headers = [(b"content-type", kind), (b"connection", b"close")]
    if status == 503:
        headers.append((b"retry-after", str(AGAIN_AFTER_SECONDS).encode()))
    if status in (408, 503) and not _header(scope, b"idempotency-key"):
        headers.append((b"x-should-retry", b"false"))  # nobody read it: a retry might be given another request's clip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
