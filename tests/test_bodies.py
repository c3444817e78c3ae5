"""Too much is refused before it is taken in."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import IO, Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from catalog.models import ModelVersion
from generation.models import Generation
from generation.storage import files
from loremotion import bodies
from loremotion.handler import OneThreadHandler

FORM = "multipart/form-data; boundary=x"
UPLOAD = "/worker/files/" + signing.dumps(["clips/x/clip.mp4", 5_000_000], salt="generation.files.upload")
EARLIER_UPLOAD = "/worker/files/" + signing.dumps("clips/x/clip.mp4", salt="generation.files.upload")
DOWNLOAD = "/worker/files/" + signing.dumps("inputs/x/image.png", salt="generation.files.download")
ID = "00000000-0000-4000-8000-000000000000"
LIMITS = [
    ("POST", "/v1/videos", "application/json", bodies.MAX_JSON_BYTES),
    ("POST", "/v1/videos", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/batches", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/edits", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/extensions", FORM, bodies.MAX_FORM_BYTES),
    ("POST", f"/v1/videos/{ID}/remix", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/quotes", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/verify", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/generations/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/generations/recipe/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/batch/review/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/batch/make/", FORM, bodies.MAX_BODY_BYTES),
    ("POST", "/reviews/ask/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/verify/", FORM, bodies.MAX_FORM_BYTES),
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


def test_every_route_with_a_limit_of_its_own_is_tried() -> None:
    tried = {resolve(path).func for _, path, _, most in LIMITS if most > bodies.MAX_BODY_BYTES}
    assert set(views_with_a_limit(get_resolver().url_patterns)) == tried


def views_with_a_limit(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[Callable[..., Any]]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from views_with_a_limit(entry.url_patterns)
        elif hasattr(entry.callback, bodies.LIMIT):
            yield entry.callback


def test_where_a_body_goes_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was found for one address is not taken for another, as of a request within a request."""
    scope = {"type": "http", "method": "POST", "path": "/v1/quotes", "query_string": b"", "headers": []}
    bodies.limit_of(scope)
    inner = {**scope, "path": "/v1/videos"}
    handler, resolve_path = OneThreadHandler(), URLResolver.resolve
    looked_for: list[str] = []

    def noting(resolver: URLResolver, path: str) -> Any:
        looked_for.append(path)
        return resolve_path(resolver, path)

    monkeypatch.setattr(URLResolver, "resolve", noting)
    assert handler.resolve_request(ASGIRequest(scope, io.BytesIO())).view_name == "generation:api-quotes"
    assert not looked_for
    assert handler.resolve_request(ASGIRequest(inner, io.BytesIO())).view_name == "generation:api-videos"
    assert looked_for


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
    assert "limit here is 128 MB" in page
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
    assert b"limit here is 1 MB" in body
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


class Sender:
    """Sends ``pieces``, each so many seconds after it was asked for the next, by a clock of its own, and then nothing
    that ends the body. Nobody sleeps."""

    def __init__(self, pieces: Iterator[tuple[float, bytes]]) -> None:
        self.now = 0.0
        self._pieces = pieces

    def clock(self) -> float:
        return self.now

    async def receive(self) -> dict[str, Any]:
        seconds, piece = next(self._pieces)
        self.now += seconds
        return {"type": "http.request", "body": piece, "more_body": True}


def status_for(sender: Sender, announced: int | None) -> int:
    """What a form of this sender's is answered, of which nobody but the limit makes an end."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    headers = [(b"content-type", FORM.encode())]
    if announced is not None:
        headers.append((b"content-length", str(announced).encode()))
    scope = {"type": "http", "method": "POST", "path": "/generations/", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind, clock=sender.clock))(scope, sender.receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("announced", [None, 100])
def test_who_sends_a_byte_now_and_then_is_not_waited_for(announced: int | None) -> None:
    """Each byte comes within the silence that is allowed, and all of them together too slowly."""
    sender = Sender((20.0, b"x") for _ in range(99))
    assert status_for(sender, announced) == 408
    assert sender.now == 40


@pytest.mark.parametrize("announced", [None, bodies.MAX_FORM_BYTES])
def test_a_burst_buys_no_time(announced: int | None) -> None:
    """It would be hours, of 127 MB on our disk."""
    burst, drip = [(0.1, bytes(1024**2))] * 127, [(29.0, b"x")] * 99
    sender = Sender(iter(burst + drip))
    assert status_for(sender, announced) == 408
    assert sender.now < 12.7 + 2 * 29 + 1


@pytest.mark.parametrize("announced", [None, bodies.MAX_FORM_BYTES])
def test_no_body_is_waited_for_longer_than_ten_minutes(announced: int | None) -> None:
    """However steadily it comes."""
    sender = Sender((10.0, bytes(10 * bodies.LEAST_BYTES_PER_SECOND)) for _ in range(999))
    assert status_for(sender, announced) == 408
    assert sender.now == 600


def test_what_we_take_over_a_piece_is_not_counted_as_slowness() -> None:
    """The disk, or the threads, may keep somebody waiting who sends as fast as they can."""
    sender = Sender((0.1, bytes(1000)) for _ in range(5))

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(5):
            assert (await receive())["type"] == "http.request"
            sender.now += 60.0
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"5001")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind, clock=sender.clock))(scope, sender.receive, send)
    assert sent[0]["status"] == 200


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


@pytest.mark.parametrize(("key", "is_final"), [(None, True), (b"order-17", False)])
def test_of_what_nobody_read_a_retry_is_safe_by_its_key_alone(
    monkeypatch: pytest.MonkeyPatch, key: bytes | None, is_final: bool
) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    headers = [(b"content-length", b"9"), *([] if key is None else [(b"idempotency-key", key)])]
    scope = {"type": "http", "method": "POST", "path": "/v1/videos", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, receive, send)
    assert (sent[0]["status"], (b"x-should-retry", b"false") in sent[0]["headers"]) == (408, is_final)


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
    version = ModelVersion(upscale=1, family="preview")
    small = Generation(version=version, width=96, height=64, num_frames=16)
    large = Generation(version=version, width=3840, height=2160, num_frames=900)
    assert 96 * 64 * 16 * 3 < files.most_bytes(small, files.CLIP) < 100 * 1024**2
    assert files.most_bytes(large, files.CLIP) == files.MAX_CLIP_BYTES
    assert files.most_bytes(small, files.POSTER) < 2 * 1024**2
