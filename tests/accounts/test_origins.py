"""Keys for apps in browsers: used from their origins alone, and nobody else's page reads an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts import api_keys
from accounts.models import ApiKey, AuditEntry, User, Workspace
from accounts.origins import read_origins
from accounts.roles import BY_ROLE, Role
from generation.models import Generation
from loremotion.refusals import Invalid
from tests.accounts import factories as people
from tests.generation import factories

pytestmark = pytest.mark.django_db

APP = "https://app.example"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def owner() -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    return people.team(owner, "Studio")


def issue(studio: Workspace, owner: User, *origins: str) -> tuple[ApiKey, Client]:
    terms: Any = {"name": "k", "scopes": ["generate", "read"], "origins": list(origins)}
    key, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], **terms)
    return key, Client(headers={"Authorization": f"Bearer {text}"})


def cors_headers(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.items() if name.startswith("Access-Control-")}


def test_a_page_of_a_keys_origin_reads_the_answer_also_of_a_refusal(studio: Workspace, owner: User) -> None:
    _, program = issue(studio, owner, APP, "http://localhost:5173")
    for path, status in (("/v1/me", 200), ("/v1/videos?limit=0", 422), ("/v1/none", 404)):
        answer = program.get(path, headers={"Origin": APP})
        assert (answer.status_code, answer[ALLOWED]) == (status, APP)
        assert "Origin" in answer["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer
    assert program.get("/v1/me", headers={"Origin": "http://localhost:5173"})[ALLOWED] == "http://localhost:5173"


def test_a_page_reads_that_it_asked_too_often(studio: Workspace, owner: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    _, program = issue(studio, owner, APP)
    answers = [program.get("/v1/me", headers={"Origin": APP}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1][ALLOWED] == APP


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {}])
def test_a_key_with_origins_makes_nothing_from_elsewhere(
    studio: Workspace, owner: User, headers: dict[str, str]
) -> None:
    factories.model()
    _, program = issue(studio, owner, APP)
    answer = program.post("/v1/videos", json.dumps({"prompt": "a fox"}), "application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert not cors_headers(answer)
    assert not Generation.objects.exists()


def test_what_is_refused_by_its_origin_counts_like_any_other(studio: Workspace, owner: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    _, program = issue(studio, owner, APP)
    answers = [program.get("/v1/me", headers={"Origin": "https://evil.example"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [403, 429]
    assert not any(map(cors_headers, answers))


def test_a_key_without_origins_is_for_programs(studio: Workspace, owner: User) -> None:
    _, program = issue(studio, owner)
    answer = program.get("/v1/me", headers={"Origin": APP})
    assert answer.status_code == 200
    assert not cors_headers(answer)


def test_a_page_that_could_not_read_the_answer_makes_nothing(studio: Workspace, owner: User, settings: Any) -> None:
    _, program = issue(studio, owner)
    from_page = {"Origin": APP, "Sec-Fetch-Mode": "cors"}
    assert program.get("/v1/me", headers=from_page).json()["code"] == "origin_not_allowed"
    settings.SITE_URL = APP
    assert program.get("/v1/me", headers=from_page).status_code == 200


def test_a_preflight_is_answered_alike_whoever_asks_and_asks_nobody(
    client: Client, studio: Workspace, owner: User, django_assert_num_queries: Any
) -> None:
    issue(studio, owner, APP)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, prefer"}
    with django_assert_num_queries(0):
        answers = [
            client.options("/v1/videos", headers={**asked, "Origin": each}) for each in (APP, "https://b.example")
        ]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert cors_headers(answers[0]) == cors_headers(answers[1])
    said = cors_headers(answers[0])
    assert said[ALLOWED] == "*", "with which browsers send no cookies"
    assert "POST" in said["Access-Control-Allow-Methods"]
    assert said["Access-Control-Allow-Headers"].startswith("Authorization")
    assert "Access-Control-Allow-Credentials" not in said
    assert "Origin" in answers[0]["Vary"]


def test_a_key_that_does_not_hold_tells_a_page_nothing(client: Client) -> None:
    bad = f"Bearer lm_live_{'x' * 12}_{'y' * 43}"
    answer = client.get("/v1/me", headers={"Authorization": bad, "Origin": APP})
    assert answer.status_code == 401
    assert not cors_headers(answer)


def test_pages_of_the_site_are_read_by_no_other(client: Client) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Origin": APP}
    assert not cors_headers(client.options("/account/login/", headers=asked))


def test_origins_are_set_on_the_keys_page_go_along_when_it_is_rotated_and_are_audited(
    studio: Workspace, owner: User
) -> None:
    browser = people.browser_of(owner)
    said = {"name": "app", "scopes": ["generate"], "origins": "https://App.example:443/, http://localhost:3000"}
    assert browser.post("/workspace/keys/new/", said).status_code == 200
    key = ApiKey.objects.get()
    assert key.origins == [APP, "http://localhost:3000"]
    assert f"{APP} http://localhost:3000" in browser.get("/workspace/keys/").text
    browser.post(f"/workspace/keys/{key.id}/rotate/")
    assert {tuple(each.origins) for each in ApiKey.objects.all()} == {tuple(key.origins)}
    answer = browser.post(f"/workspace/keys/{key.id}/limits/", {"origins": "http://app.example"})
    assert answer.status_code == 422
    browser.post(f"/workspace/keys/{key.id}/limits/", {"origins": "https://other.example"})
    assert {tuple(each.origins) for each in ApiKey.objects.all()} == {("https://other.example",)}
    changed = AuditEntry.objects.get(event="key.changed")
    assert changed.detail["after"]["origins"] == ["https://other.example"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("https://münchen.example", ["https://xn--mnchen-3ya.example"]),
        ("https://straße.example", ["https://xn--strae-oqa.example"]),
        ("https://пример.рф:8443/", ["https://xn--e1afmkfd.xn--p1ai:8443"]),
        ("https://a_b.example", ["https://a_b.example"]),
        ("https://a.example https://a.example/", ["https://a.example"]),
        ("https://a.example:0443 https://b.example:08443", ["https://a.example", "https://b.example:8443"]),
        ("https://a.example:8443,\nhttp://127.0.0.1:80", ["https://a.example:8443", "http://127.0.0.1"]),
        ("http://[::1]:8000", ["http://[::1]:8000"]),
        ("chrome-extension://abcdefgh", ["chrome-extension://abcdefgh"]),
    ],
)
def test_origins_are_read_as_browsers_name_them(text: str, found: list[str]) -> None:
    assert read_origins(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "app.example",
        "http://app.example",
        "https://a.example/path",
        "https://*.example",
        "https://*.пример.рф",
        "https://a.example:65536",
        "https://me@пример.рф",
        "https://bücher.example：80",
        "file:///",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_origins(text)


def test_a_key_has_no_more_origins_than_it_may() -> None:
    with pytest.raises(Invalid):
        read_origins(" ".join(f"https://a{number}.example" for number in range(21)))
