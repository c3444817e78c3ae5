"""Large forms: so many at a time, off the disk once they are answered, handed on whole."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, StreamingHttpResponse

from loremotion import bodies
from loremotion.handler import OneThreadHandler
from tests.sent_bodies import FORM, UPLOAD, stall


def test_so_many_large_forms_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next is turned away for now, small ones and GPU hosts' files are not, and a place is free once one has
    ended."""
    monkeypatch.setattr(bodies, "MOST_LARGE_FORMS", 2)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            if not message["more_body"]:
                await asyncio.wait_for(are_all_here.wait(), 30)
                await send({"type": "http.response.start", "status": 200, "headers": []})
                return

    limit = bodies.BodyLimit(behind)

    async def ask(size_bytes: int, method: str = "POST", path: str = "/generations/") -> tuple[int, bytes]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": bytes(size_bytes), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        content_type = FORM if method == "POST" else "video/mp4"
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(size_bytes).encode())]
        await limit({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]).get(b"retry-after", b"")

    async def crowd() -> None:
        large = 2 * bodies.MAX_BODY_BYTES
        first = [asyncio.create_task(ask(large)) for _ in range(2)]
        first += [asyncio.create_task(ask(10)), asyncio.create_task(ask(large, "PUT", UPLOAD))]
        await asyncio.sleep(0)
        assert await ask(large) == (503, b"60")
        are_all_here.set()
        assert await asyncio.gather(*first) == [(200, b"")] * 4
        assert await ask(large) == (200, b"")

    are_all_here = asyncio.Event()
    async_to_sync(crowd)()


def test_an_answer_that_takes_long_keeps_no_place_from_other_large_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_LARGE_FORMS", 1)
    statuses: list[int] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        if (await receive())["type"] == "http.disconnect":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if len(statuses) == 1:
            await large_form()  # while the first is still being answered

    limit = bodies.BodyLimit(behind)

    async def large_form() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": bytes(2 * bodies.MAX_BODY_BYTES), "more_body": False}

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.append(message["status"])

        headers = [(b"content-type", FORM.encode()), (b"content-length", str(2 * bodies.MAX_BODY_BYTES).encode())]
        await limit({"type": "http", "method": "POST", "path": "/v1/videos", "headers": headers}, receive, send)

    async_to_sync(large_form)()
    assert statuses == [200, 200]


@pytest.mark.parametrize("is_announced", [True, False])
def test_what_was_sent_is_off_the_disk_once_there_is_an_answer(
    is_announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the answer is a stream of a minute: the body as it came, and the file that was found in it."""
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_FORM_BYTES", 1_000)
    made: list[IO[bytes]] = []
    make = tempfile.SpooledTemporaryFile

    def spooled(*args: Any, **more: Any) -> IO[bytes]:
        made.append(make(*args, **more))
        return made[-1]

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", spooled)
    monkeypatch.setattr(bodies, "SpooledTemporaryFile", spooled)
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\npicture\r\n--x--\r\n'
    are_closed: list[bool] = []

    def answer(request: HttpRequest) -> StreamingHttpResponse:
        sent_file = request.FILES["image"]
        assert isinstance(sent_file, UploadedFile)
        assert sent_file.read() == b"picture"

        async def parts() -> AsyncIterator[bytes]:
            are_closed.extend([sent_file.closed, *(file.closed for file in made)])
            yield b"{}"

        return StreamingHttpResponse(parts())

    handler = OneThreadHandler()
    handler.get_response = answer  # type: ignore[method-assign]
    coming = [{"type": "http.request", "body": form, "more_body": False}]

    async def receive() -> Any:
        return coming.pop(0) if coming else await stall()

    async def send(message: Any) -> None:
        pass

    length = (b"content-length", str(len(form)).encode()) if is_announced else (b"transfer-encoding", b"chunked")
    headers = [(b"content-type", FORM.encode()), length]
    scope = {"type": "http", "method": "POST", "path": "/v1/videos", "query_string": b"", "headers": headers}
    asyncio.run(bodies.BodyLimit(handler)(scope, receive, send))
    assert are_closed == [True] * (2 if is_announced else 3)


def test_what_comes_unannounced_is_handed_on_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than stays in memory, and in other pieces than it came in."""
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_FORM_BYTES", 100)
    monkeypatch.setattr(bodies, "REPLAYED_BYTES", 8)
    given = bytes(range(50))
    coming: list[Any] = [
        {"type": "http.request", "body": given[at : at + 7], "more_body": True} for at in range(0, 50, 7)
    ]
    coming.append({"type": "http.request"})
    taken: list[bytes] = []
    told: dict[bytes, bytes] = {}

    async def receive() -> Any:
        return coming.pop(0) if coming else await stall()

    async def send(message: Any) -> None:
        pass

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        told.update(scope["headers"])
        is_whole = False
        while not is_whole:
            message = await receive()
            taken.append(message["body"])
            is_whole = not message["more_body"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.05)  # the client is still there
        await send({"type": "http.response.start", "status": 200, "headers": []})

    headers = [(b"content-type", FORM.encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/v1/videos", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, receive, send)
    assert (b"".join(taken), told) == (given, {b"content-type": FORM.encode(), b"content-length": b"50"})


def test_nothing_is_sent_to_who_left_in_the_middle() -> None:
    sent: list[Any] = []

    async def leave() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let through")

    scope = {"type": "http", "method": "POST", "path": "/v1/videos", "headers": []}
    async_to_sync(bodies.BodyLimit(behind))(scope, leave, send)
    assert sent == []
