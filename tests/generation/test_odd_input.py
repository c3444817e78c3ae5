"""Whatever somebody sends gets a clear answer: never a 500, never a charge for what was not asked."""

from __future__ import annotations

import gzip
import json
from itertools import product
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.storage import files
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

ODD = [
    "1e308", "1e400", "-0.0", "NaN", "Infinity", "-Infinity", "9" * 40, "9" * 400,
    "9" * 5_000, "-1", '"x"', '""', '"\\ud800"', '"\\u0000"',
    "null", "true", "[]", "{}", '[["a"]]', '{"id": 5}', '"１２"',
]  # fmt: skip
FIELDS = ["prompt", "model", "mode", "negative_prompt", "seconds", "size", "preset", "steps", "seed", "video", "image"]


@pytest.mark.parametrize("field", FIELDS)
def test_odd_values_in_json_are_taken_or_refused(toy: Model, alice: Visitor, client_of: ClientOf, field: str) -> None:
    browser = client_of(alice)
    for odd in ODD:
        said = {"prompt": '"a fox"', field: odd}
        body = "{" + ",".join(f'"{name}": {value}' for name, value in said.items()) + "}"
        answer = browser.post("/v1/videos", body, content_type="application/json")
        assert answer.status_code in (200, 400, 422, 429), (odd, answer.text)
        answer.json()


@pytest.mark.parametrize("field", [*FIELDS, "csrfmiddlewaretoken"])
def test_odd_values_in_the_form_are_taken_or_refused(
    toy: Model, alice: Visitor, client_of: ClientOf, field: str
) -> None:
    browser = client_of(alice)
    for odd in ODD:
        answer = browser.post("/generations/", {"prompt": "a fox", field: odd})
        assert answer.status_code in (302, 422, 429), (odd, answer.status_code)
        assert browser.get("/generations/price/", {field: odd}).status_code in (200, 422)


@pytest.mark.parametrize("field", ["seconds", "steps", "seed"])
def test_what_is_no_number_is_refused_by_name_in_json(
    toy: Model, alice: Visitor, client_of: ClientOf, field: str, subtests: pytest.Subtests
) -> None:
    browser = client_of(alice)
    for odd in ("1e308", "1e400", "9" * 400, "-0.5", "true", "false", '"NaN"', '"Infinity"', '""', "[1]"):
        with subtests.test(odd=odd):
            body = f'{{"prompt": "a fox", "{field}": {odd}}}'
            answer = browser.post("/v1/videos", body, content_type="application/json")
            assert (answer.status_code, answer.json()["error"]["param"]) == (422, field)
            assert len(answer.json()["error"]["message"]) < 200
            assert not Generation.objects.exists()


@pytest.mark.parametrize("field", ["seconds", "seed"])
def test_what_is_no_number_is_refused_at_its_field_in_the_form(
    toy: Model, alice: Visitor, client_of: ClientOf, field: str, subtests: pytest.Subtests
) -> None:
    browser = client_of(alice)
    for odd in ("1e308", "1e400", "9" * 400, "-0.5", "true", "NaN", "Infinity"):
        with subtests.test(odd=odd):
            answer = browser.post("/generations/", {"prompt": "a fox", field: odd})
            assert answer.status_code == 422
            assert '<p class="problem" role="alert">' in answer.text
            assert not Generation.objects.exists()


def test_odd_bodies_are_refused(toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests) -> None:
    browser = client_of(alice)
    for body in ("[" * 100_000, '{"a":' * 50_000, "[1]", "5", '"x"', "null", "", "\ufeff{}"):
        with subtests.test(body=body[:20]):
            answer = browser.post("/v1/videos", body, content_type="application/json")
            assert answer.status_code in (400, 422), answer.text
            assert answer.json()["error"]["message"]


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "utf-16", "nonsense", "idna"])
def test_odd_charsets_are_refused(toy: Model, alice: Visitor, client_of: ClientOf, charset: str) -> None:
    answer = client_of(alice).generic("POST", "/v1/videos", b'{"prompt": "a"}', f"application/json; charset={charset}")
    assert answer.status_code in (200, 400, 422), answer.text


def test_too_many_files_are_a_clear_400(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    many: Any = {f"f{n}": SimpleUploadedFile("x", b"x") for n in range(120)}
    answer = client_of(alice).post("/v1/videos", {"prompt": "a", **many})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_what_cannot_be_used_to_start_from_is_refused_and_not_left_out(
    toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests
) -> None:
    browser, odd = client_of(alice), (5, ["x"], {"image_url": "https://127.0.0.1/a.png"})
    for role, said in product(("video", "image", "mask", "input_reference"), odd):
        with subtests.test(role=role, said=said):
            body = json.dumps({"prompt": "a fox", role: said})
            answer = browser.post("/v1/videos", body, content_type="application/json")
            assert (answer.status_code, answer.json()["error"]["param"]) == (422, role)
            assert not Generation.objects.exists()


def test_odd_pages_of_the_list_are_refused(
    toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests
) -> None:
    browser = client_of(alice)
    for query in ("limit=" + "9" * 5_000, "limit=²", "limit=-1", "limit=%00", "after=x", "after="):
        with subtests.test(query=query[:20]):
            assert browser.get(f"/v1/videos?{query}").status_code == 422


RANGES = {
    "bytes=" + "9" * 5_000 + "-": 416,
    "bytes=0-" + "9" * 5_000: 206,
    "bytes=-" + "9" * 5_000: 206,
    "bytes=-0": 416,
    "bytes=5-2": 416,
    "bytes=0-1,3-4": 200,
    "lines=1-2": 200,
}


def test_odd_ranges(toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests) -> None:
    clip, browser = finished(alice), client_of(alice)
    for asked, status in RANGES.items():
        with subtests.test(asked=asked[:20]):
            answer = browser.get(f"/generations/{clip.id}/clip.mp4", headers={"Range": asked})
            assert answer.status_code == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "POST", "BREW"])
def test_every_method_on_every_route_is_answered(
    toy: Model, alice: Visitor, client_of: ClientOf, method: str, settings: Any
) -> None:
    settings.CLIP_UPLOAD = "http"
    clip = finished(alice)
    own, api = f"/generations/{clip.id}/", f"/v1/videos/{clip.id}"
    routes = ["/", "/generations/", "/generations/price/", own, own + "cancel/", own + "clip.mp4", own + "poster.jpg"]
    routes += ["/history/", "/v1/videos", api, api + "/cancel", api + "/content", "/worker/files/x"]
    routes += [files.outputs(clip)["poster"].removeprefix(settings.SITE_URL)]
    if method not in ("GET",):
        routes += [own + "events/", api + "/events"]
    browser: Client = client_of(alice)
    for route in routes:
        answer = browser.generic(method, route)
        assert answer.status_code < 500, (method, route)
        if route.endswith("events") or route.endswith("events/"):
            assert answer.status_code == 405


def test_odd_accept_headers(toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests) -> None:
    browser = client_of(alice)
    for accept in ("*", "a/b/c", ";;;q=x", "text/html;q=9", "application/xml", "x" * 9_000, ""):
        for route in ("/", "/nothing", "/v1/videos", "/v1/nothing"):
            with subtests.test(accept=accept[:20], route=route):
                assert browser.get(route, headers={"Accept": accept}).status_code in (200, 404)


def test_a_second_model_keeps_its_options_when_the_form_comes_back(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    factories.model("other", is_default=False)
    page = client_of(alice).post("/generations/", {"prompt": "", "model": "other"}).text
    shown = [part for part in page.split("<fieldset")[1:] if "hidden disabled" not in part.split(">")[0]]
    assert len(shown) == 1
    assert 'data-model="other"' in shown[0]


BODY = json.dumps({"prompt": "a fox"})


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
def test_a_compressed_body_is_refused_by_name(toy: Model, alice: Visitor, client_of: ClientOf, kind: str) -> None:
    sent = gzip.compress(BODY.encode())
    answer = client_of(alice).post("/v1/videos", sent, content_type=kind, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert "gzip" in answer.json()["detail"]


def test_json_may_begin_with_a_byte_order_mark(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    """Windows' shells write one into files, and JSON's standard lets readers pass it over."""
    answer = client_of(alice).post("/v1/videos", b"\xef\xbb\xbf" + BODY.encode(), content_type="application/json")
    assert (answer.status_code, answer.json()["prompt"]) == (200, "a fox")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"prompt=caf%E9"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\ncaf\xe9\r\n--x--\r\n',
        ),
    ],
)
def test_text_that_is_not_utf_8_is_refused_and_not_paid_for(
    toy: Model, alice: Visitor, client_of: ClientOf, kind: str, body: bytes
) -> None:
    answer = client_of(alice).post("/v1/videos", body, content_type=kind)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "prompt")
    assert "UTF-8" in answer.json()["detail"]
    assert not Generation.objects.exists()


def test_a_list_leaves_no_parameter_out_in_silence(
    toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests
) -> None:
    """Who deletes what a filter finds would delete everything."""
    browser = client_of(alice)
    for parameter in ("status", "model", "before", "page", "format", "Limit"):
        with subtests.test(parameter=parameter):
            answer = browser.get("/v1/videos", {parameter: "failed"})
            assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
            assert answer.json()["error"]["param"] == parameter


def test_a_parameter_of_a_list_comes_once(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    answer = client_of(alice).get("/v1/videos?limit=1&limit=2")
    assert (answer.status_code, answer.json()["code"]) == (422, "repeated_parameter")


def test_an_address_with_a_slash_too_many_says_so(alice: Visitor, client_of: ClientOf) -> None:
    answer = client_of(alice).post("/v1/videos/", BODY, content_type="application/json")
    assert answer.status_code == 404
    assert "don't end in a slash" in answer.json()["detail"]
