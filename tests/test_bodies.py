"""Too much is refused before it is taken in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.test import Client

from catalog.models import ModelVersion
from generation.models import Generation
from generation.storage import files
from loremotion import bodies

FORM = "multipart/form-data; boundary=x"
UPLOAD = "/worker/files/" + signing.dumps(["clips/x/clip.mp4", 5_000_000], salt="generation.files.upload")
EARLIER_UPLOAD = "/worker/files/" + signing.dumps("clips/x/clip.mp4", salt="generation.files.upload")
DOWNLOAD = "/worker/files/" + signing.dumps("inputs/x/image.png", salt="generation.files.download")
ID = "00000000-0000-4000-8000-000000000000"
LIMITS = [
    ("POST", "/v1/videos", "application/json", bodies.MAX_BODY_BYTES),
    ("POST", "/v1/videos", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/edits", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/extensions", FORM, bodies.MAX_FORM_BYTES),
    ("POST", f"/v1/videos/{ID}/remix", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/generations/", FORM, bodies.MAX_FORM_BYTES),
    ("PUT", "/generations/", FORM, bodies.MAX_BODY_BYTES),
    ("POST", f"/v1/videos/{ID}/cancel", FORM, bodies.MAX_BODY_BYTES),
    ("POST", "/account/login/", FORM, bodies.MAX_BODY_BYTES),
    ("POST", "/nowhere/", FORM, bodies.MAX_BODY_BYTES),
    ("POST", "/admin/catalog/model/add/", FORM, bodies.MAX_BODY_BYTES),
    ("GET", "/", "text/plain", bodies.MAX_BODY_BYTES),
    ("PUT", UPLOAD, "video/mp4", 5_000_000),
    ("PUT", EARLIER_UPLOAD, "video/mp4", files.MAX_CLIP_BYTES),
    ("POST", UPLOAD, "video/mp4", bodies.MAX_BODY_BYTES),
]


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


@pytest.mark.parametrize(
    ("method", "path", "content_type", "most"), LIMITS, ids=[str(number) for number in range(len(LIMITS))]
)
def test_what_is_announced_too_large_is_not_read(method: str, path: str, content_type: str, most: int) -> None:
    assert ask(method, path, content_type, b"x", announced=most + 1) == (413, 0)
    assert ask(method, path, content_type, b"x", announced=most) == (200, 1)


def test_a_refused_form_is_a_page_with_a_way_back() -> None:
    accept = b"text/html,application/xhtml+xml,*/*;q=0.8"
    headers = [(b"content-length", str(bodies.MAX_FORM_BYTES + 1).encode()), (b"accept", accept)]
    headers.append((b"content-type", b"multipart/form-data; boundary=x"))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let through")

    scope = {"type": "http", "method": "POST", "path": "/generations/", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, stall, send)
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"content-type"]) == (413, b"text/html; charset=utf-8")
    page = sent[1]["body"].decode()
    assert "at most 128 MB" in page
    assert '<a href="/">' in page


@pytest.mark.parametrize(("path", "is_api"), [("/v1/videos", True), ("/generations/", False)])
def test_a_refused_body_is_a_problem_document_to_programs(path: str, is_api: bool) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let through")

    headers = [(b"content-length", str(bodies.MAX_BODY_BYTES + 1).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, stall, send)
    kind, body = dict(sent[0]["headers"])[b"content-type"], sent[1]["body"]
    assert (sent[0]["status"], kind) == (413, b"application/problem+json" if is_api else b"text/plain")
    assert b"at most 1 MB" in body
    if is_api:
        assert (json.loads(body)["code"], json.loads(body)["error"]["code"]) == ("too_large", "too_large")


def test_a_host_that_is_not_ours_is_a_problem_document_to_programs(db: None, client: Client) -> None:
    program = client.get("/v1/models", headers={"host": "elsewhere.example"})
    assert (program.status_code, program["Content-Type"]) == (400, "application/problem+json")
    assert program.json()["code"] == "unknown_host"
    assert client.get("/pricing/", headers={"host": "elsewhere.example"}).status_code == 400


def test_what_comes_unannounced_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 10)
    assert ask("POST", "/", "text/plain", b"x" * 6, b"x" * 4) == (200, 10)
    assert ask("POST", "/", "text/plain", b"x" * 6, b"x" * 5, b"x" * 99) == (413, 0)


@pytest.mark.parametrize(
    "path",
    ["/worker/files/nothing", UPLOAD[:-1], UPLOAD + "x", DOWNLOAD],
    ids=["no token", "cut short", "lengthened", "to read by"],
)
def test_a_file_without_a_token_for_it_is_not_read(path: str) -> None:
    assert ask("PUT", path, "video/mp4", b"x", announced=1) == (404, 0)
    assert ask("PUT", path, "video/mp4", b"x") == (404, 0)


def test_who_stops_in_the_middle_of_a_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.01)
    assert ask("POST", "/", "text/plain", b"xyz", stalls=True) == (408, 0)
    assert ask("POST", "/", "text/plain", b"xyz", announced=4, stalls=True) == (408, 3)


@pytest.mark.parametrize("announced", [None, 100])
def test_who_sends_a_byte_now_and_then_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, announced: int | None
) -> None:
    """Each byte comes within the silence that is allowed, and all of them together too slowly."""
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(bodies, "LEAST_BYTES_PER_SECOND", 1_000)
    sent: list[Any] = []

    async def drip() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, drip, send)
    assert sent[0]["status"] == 408
    assert (b"x-should-retry", b"false") in sent[0]["headers"]


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


def test_a_body_that_is_whole_may_be_thought_about_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": False} if not has_come.is_set() else await stall()

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        has_come.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.1)  # as Django does, to hear that the client has left
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    has_come = asyncio.Event()
    async_to_sync(bodies.BodyLimit(behind))(
        {"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send
    )
    assert sent[0]["status"] == 200


def test_a_token_has_room_for_the_clip_that_it_is_made_for_and_not_for_any() -> None:
    """Frames without any compression fit; a whole disk does not."""
    version = ModelVersion(upscale=1)
    small = Generation(version=version, width=96, height=64, num_frames=16)
    large = Generation(version=version, width=3840, height=2160, num_frames=900)
    assert 96 * 64 * 16 * 3 < files.most_bytes(small, files.CLIP) < 100 * 1024**2
    assert files.most_bytes(large, files.CLIP) == files.MAX_CLIP_BYTES
    assert files.most_bytes(small, files.POSTER) < 2 * 1024**2
