"""No part of a form is left out in silence, and what can't be read of a body is refused in words of our own."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.http.multipartparser import MultiPartParserError
from django.test import Client, RequestFactory

from accounts.models import Visitor, Workspace
from catalog.models import Model
from generation.models import Generation
from tests.generation.conftest import ClientOf, alice, client_of, empty_valkey, toy
from tests.generation.test_parameters import program, studio

__all__ = ("alice", "client_of", "empty_valkey", "program", "studio", "toy")
pytestmark = pytest.mark.django_db

FORM = "multipart/form-data; boundary=x"
PROMPT = b'Content-Disposition: form-data; name="prompt"'
FILE = b'Content-Disposition: form-data; name="image"; filename='
LEFT_OUT = [
    (b"Content-Disposition: form-data; name=image; filename*=nope''x", "Content-Disposition of image can't be read"),
    (FILE + b'"\xe9.png"', "Content-Disposition of image can't be read"),
    (FILE + b'".."', "called '..'"),
    (FILE + b'"images/"', "called 'images/'"),
    (b"Content-Disposition: form-data; filename=x.png", "Part 2 of the form has no name"),
    (b'Content-Disposition: form-data; name=""; filename=x.png', "Part 2 of the form has no name"),
    (b"Content-Type: image/png", "Part 2 of the form has no Content-Disposition"),
    (b"", "Part 2 of the form has no Content-Disposition"),
    (FILE + b'"x.png"\r\nContent-Transfer-Encoding: quoted-printable', "coded as 'quoted-printable'"),
    (FILE + b'"' + b"x" * 1024 + b'.png"', "longer than 1024 bytes"),
]
"""A part's head that Django passes over, or takes for something else, and how the part is named."""
ROUTES = [
    "/v1/videos",
    "/v1/quotes",
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/verify",
    "/v1/webhook_endpoints",
]
PAGES = ["/generations/", "/verify/", "/batch/review/", "/generations/recipe/"]


def form(*parts: tuple[bytes, bytes], end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + end


@pytest.mark.parametrize(("head", "told"), LEFT_OUT)
def test_a_part_that_would_be_left_out_is_refused_by_name(
    program: Client, studio: Workspace, head: bytes, told: str
) -> None:
    answer = program.post("/v1/videos", form((PROMPT, b"a fox"), (head, b"\x89PNG")), content_type=FORM)
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_part")
    assert told in answer.json()["detail"]
    assert not Generation.objects.exists()


def test_every_route_and_page_refuses_it(program: Client, toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    sent = form((PROMPT, b"a fox"), (LEFT_OUT[0][0], b"\x89PNG"))
    for route in ROUTES:
        answer = program.post(route, sent, content_type=FORM)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "image"), route
    for page in PAGES:
        shown = client_of(alice).post(page, sent, content_type=FORM, headers={"Accept": "text/html"})
        assert (shown.status_code, shown["Content-Type"]) == (422, "text/html; charset=utf-8"), page
        assert "The Content-Disposition of image" in shown.text
        assert "Nothing was done" in shown.text
    assert not Generation.objects.exists()


def test_a_browser_whose_token_is_in_such_a_form_is_told_the_same(toy: Model, alice: Visitor) -> None:
    """There the form is read by the check of its token, before any view."""
    browser = Client(enforce_csrf_checks=True)
    browser.cookies["csrftoken"] = "c" * 32
    sent = form((b"Content-Disposition: form-data; name=csrfmiddlewaretoken", b"c" * 32), (LEFT_OUT[0][0], b"x"))
    for route in ("/generations/", "/v1/videos"):
        answer = browser.post(route, sent, content_type=FORM, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_part"), route


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (form((PROMPT, b"a fox"), end=b""), "cut off"),
        (b"--y\r\n" + PROMPT + b"\r\n\r\na fox\r\n--y--\r\n", "cut off"),
        (form((PROMPT, b"a fox --x fur"), (PROMPT, b"x")), "no empty line"),
        (b"--x\n" + PROMPT + b"\n\na fox\n--x--\n", "no empty line"),
    ],
    ids=["its end is missing", "another boundary", "a boundary within", "line feeds"],
)
def test_a_form_that_cannot_be_taken_apart_makes_no_clip(
    program: Client, studio: Workspace, body: bytes, told: str
) -> None:
    answer = program.post("/v1/videos", body, content_type=FORM)
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_part")
    assert told in answer.json()["detail"]
    assert not Generation.objects.exists()


@pytest.mark.parametrize("piece_bytes", [1, 7, 64])
def test_a_form_is_read_the_same_however_it_comes(piece_bytes: int) -> None:
    """What stands before the first boundary and behind the last is no part; a field may be text in base64."""

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(piece_bytes)

    picture = bytes(range(256)) * 3
    coded = (b'content-disposition: form-data; name="style"\r\nContent-Transfer-Encoding: BASE64', b"bm9pcg==")
    sent = b"before\r\n" + form((PROMPT, b"a fox"), (FILE + b'"\xc3\xa9.png"', picture), coded) + b"behind"
    request = RequestFactory().post("/", sent, content_type=FORM)
    vars(request)["_stream"] = Slow(sent)
    assert (request.POST["prompt"], request.POST["style"]) == ("a fox", "noir")
    file: Any = request.FILES["image"]
    assert (file.name, file.read()) == ("é.png", picture)
    damaged = RequestFactory().post("/", sent, content_type=FORM)
    vars(damaged)["_stream"] = Slow(sent.replace(b'form-data; name="style"', b"form-data"))
    with pytest.raises(MultiPartParserError, match="Part 3 of the form has no name"):
        _ = damaged.POST


def test_more_than_is_taken_is_told_in_our_own_words(program: Client, toy: Model) -> None:
    fields = [(b'Content-Disposition: form-data; name="f%d"' % number, b"x") for number in range(1_100)]
    files = [(head + b"; filename=x.png", b"x") for head, _ in fields[:200]]
    large = form((PROMPT, b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    urlencoded = "&".join(f"f{number}=1" for number in range(1_100))
    for body, kind, status, code in (
        (large, FORM, 413, "too_large"),
        (form(*fields), FORM, 400, "too_many_fields"),
        (urlencoded, "application/x-www-form-urlencoded", 400, "too_many_fields"),
        (form(*files), FORM, 400, "too_many_files"),
    ):
        answer = program.post("/v1/videos", body, content_type=kind)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer["Content-Type"] == "application/problem+json"
        assert "DATA_UPLOAD" not in answer.text
        page = program.post("/verify/", body, content_type=kind, headers={"Accept": "text/html"})
        assert page.status_code == status
        assert answer.json()["detail"].partition(" Send")[0] in page.text
    answer = program.get(f"/v1/videos?{urlencoded}")
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_fields")


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_a_body_just_below_the_limit_is_read(program: Client, toy: Model, kind: str) -> None:
    text = "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 20)
    body = json.dumps({"prompt": text}) if kind.endswith("json") else f"prompt={text}"
    answer = program.post("/v1/videos", body, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_prompt")


@pytest.mark.parametrize(
    ("boundary", "status", "told"),
    [
        ("", 400, "names no boundary"),
        ("é", 400, "names no boundary"),
        ("x" * 210, 400, "names no boundary"),
        ("x" * 300, 415, "The Content-Type is 330 characters long"),
    ],
)
def test_a_boundary_that_cannot_be_read_is_told(
    program: Client, toy: Model, boundary: str, status: int, told: str
) -> None:
    answer = program.post("/v1/videos", form(), content_type=f"multipart/form-data; boundary={boundary}")
    assert answer.status_code == status
    assert told in answer.json()["detail"]
