"""What cannot be read under /v1 is refused in words that say what to send instead."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.test import Client

from catalog.models import Model
from generation.models import Generation
from tests.generation.test_parameters import clip, hook, program, studio

__all__ = ("clip", "hook", "program", "studio")
pytestmark = pytest.mark.django_db

JARGON = ("dictionary", "non_field_errors", "No data", "Accept header", "media type", "Method ", "parse error", "None")


def detail_of(answer: Any) -> str:
    """What the problem document says, which is no library's jargon."""
    detail = str(answer.json()["detail"])
    assert not [words for words in JARGON if words in detail], detail
    return detail


NO_OBJECTS = {"[]": "a list", '"x"': "a text", "null": "null", "3": "a number", "true": "true or false"}


def test_a_body_that_is_no_object_is_refused_by_what_it_is(
    program: Client, clip: Generation, hook: Any, subtests: pytest.Subtests
) -> None:
    routes = ["/v1/videos", "/v1/quotes", "/v1/videos/edits", "/v1/webhook_endpoints"]
    routes += [f"/v1/videos/{clip.id}", f"/v1/videos/{clip.id}/cancel", f"/v1/videos/{clip.id}/share"]
    for (body, name), route in product(NO_OBJECTS.items(), [*routes, f"/v1/webhook_endpoints/{hook.id}"]):
        with subtests.test(body=body, route=route):
            answer = program.post(route, body, content_type="application/json")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
            assert f"The body is {name}." in detail_of(answer)


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml", "image/png", "nonsense"])
def test_whoever_would_rather_have_html_gets_json(program: Client, clip: Generation, accept: str) -> None:
    """As on every route that is no framework's: a browser sends such a header for whatever is typed into it."""
    for route in ("/v1/videos", "/v1/models", f"/v1/videos/{clip.id}", "/v1/webhook_endpoints"):
        answer = program.get(route, headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("is_debug", [True, False])
def test_where_nothing_is_under_v1_a_program_reads_so(
    program: Client, toy: Model, settings: Any, is_debug: bool, subtests: pytest.Subtests
) -> None:
    """Whoever starts the site on their own machine too, where Django has a page of its own for it."""
    settings.DEBUG = is_debug
    nowhere = ("/v1", "/v1/", "/v1/nothing", "/v1/videos/nope", "/v1/videos/nope/content", "/v1?x=1")
    for address, method in product(nowhere, ("get", "post", "put", "delete")):
        with subtests.test(address=address, method=method):
            answer = getattr(program, method)(address, headers={"Accept": "text/html"})
            assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
            assert (answer.json()["code"], answer["Cache-Control"]) == ("not_found", "no-store")
    assert program.get("/v1x", headers={"Accept": "text/html"})["Content-Type"].startswith("text/html")


def test_a_method_that_a_file_or_a_stream_does_not_take_is_told_those_that_it_does(
    clip: Generation,
) -> None:
    """A program has no form's token: it is told of the method all the same."""
    strict = Client(enforce_csrf_checks=True)
    for address in (f"/v1/videos/{clip.id}/content", f"/v1/videos/{clip.id}/events", "/v1/openapi.json"):
        for method in ("post", "put", "delete", "patch"):
            answer = getattr(strict, method)(address)
            assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json"), (address, method)
            assert detail_of(answer) == f"{method.upper()} isn't allowed here. Use {answer['Allow']}."


@pytest.mark.parametrize("route", ["/v1/videos", "/v1/models", "/v1/quotes", "/v1/webhook_endpoints"])
def test_a_method_that_is_not_taken_is_told_those_that_are(program: Client, toy: Model, route: str) -> None:
    answer = program.put(route, "{}", content_type="application/json")
    assert answer.status_code == 405
    assert detail_of(answer) == f"PUT isn't allowed here. Use {answer['Allow']}."


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_a_body_of_another_kind_is_told_the_kinds_there_are(program: Client, toy: Model, kind: str) -> None:
    answer = program.post("/v1/videos", "<a/>", content_type=kind)
    assert answer.status_code == 415
    assert "application/json" in detail_of(answer)
    assert "multipart/form-data" in detail_of(answer)


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("application/json", "{'a': 1}", "isn't valid JSON"),
        ("application/json", "{", "isn't valid JSON"),
        ("application/json", '{"seed": ' + "9" * 5_000 + "}", "a number has thousands of digits."),
        ("multipart/form-data", "x", "boundary"),
        ("multipart/form-data; boundary=x", "--x\r\nnonsense", "can't be read"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(program: Client, toy: Model, kind: str, body: str, told: str) -> None:
    answer = program.post("/v1/videos", body, content_type=kind)
    assert answer.status_code in (400, 422)
    assert answer.status_code == 422 or told in detail_of(answer)
