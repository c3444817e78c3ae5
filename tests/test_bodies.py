"""Too much is refused before it is taken in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.core.handlers.asgi import ASGIRequest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from catalog.models import ModelVersion
from generation.models import Generation
from generation.storage import files
from loremotion import bodies
from loremotion.handler import OneThreadHandler
from tests.sent_bodies import FORM, UPLOAD, ask, stall

EARLIER_UPLOAD = "/worker/files/" + signing.dumps("clips/x/clip.mp4", salt="generation.files.upload")
DOWNLOAD = "/worker/files/" + signing.dumps("inputs/x/image.png", salt="generation.files.download")
ID = "00000000-0000-4000-8000-000000000000"
LIMITS = [
    ("POST", "/v1/videos", "application/json", bodies.MAX_JSON_BYTES),
    ("POST", "/v1/videos", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/batches", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/characters", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/edits", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/videos/extensions", FORM, bodies.MAX_FORM_BYTES),
    ("POST", f"/v1/videos/{ID}/remix", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/quotes", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/v1/verify", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/generations/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/generations/recipe/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/batch/review/", FORM, bodies.MAX_FORM_BYTES),
    ("POST", "/batch/make/", FORM, bodies.MAX_BODY_BYTES),
    ("POST", "/characters/new/", FORM, bodies.MAX_FORM_BYTES),
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


@pytest.mark.parametrize(
    ("path", "said", "is_api", "words"),
    [
        ("/v1/videos", [], True, "limit here is 1 MB"),
        ("/v1/videos", [(b"accept-language", b"de")], True, "limit here is 1 MB"),
        ("/generations/", [], False, "limit here is 1 MB"),
        ("/generations/", [(b"accept-language", b"de-AT, en;q=0.5")], False, "Grenze liegt hier bei 1 MB"),
        ("/generations/", [(b"cookie", b"django_language=de")], False, "Grenze liegt hier bei 1 MB"),
    ],
)
def test_a_refused_body_is_a_problem_document_to_programs_and_in_people_s_language(
    path: str, said: list[tuple[bytes, bytes]], is_api: bool, words: str
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let through")

    headers = [(b"content-length", str(bodies.MAX_BODY_BYTES + 1).encode()), *said]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, stall, send)
    kind, body = dict(sent[0]["headers"])[b"content-type"], sent[1]["body"]
    assert (sent[0]["status"], kind) == (413, b"application/problem+json" if is_api else b"text/plain; charset=utf-8")
    assert words in body.decode()
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


def test_a_token_has_room_for_the_clip_that_it_is_made_for_and_not_for_any() -> None:
    """Frames without any compression fit; a whole disk does not."""
    version = ModelVersion(upscale=1, family="preview")
    small = Generation(version=version, width=96, height=64, num_frames=16)
    large = Generation(version=version, width=3840, height=2160, num_frames=900)
    assert 96 * 64 * 16 * 3 < files.most_bytes(small, files.CLIP) < 100 * 1024**2
    assert files.most_bytes(large, files.CLIP) == files.MAX_CLIP_BYTES
    assert files.most_bytes(small, files.POSTER) < 2 * 1024**2
