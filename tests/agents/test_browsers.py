"""``/mcp`` from pages in browsers: those of the origins that a key has, and of no others."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from pytest_django import Settings

from accounts.models import ApiKey, Workspace
from generation.models import Generation
from tests.agents.conftest import SITE, browser, key_of

pytestmark = pytest.mark.django_db(transaction=True)
APP = "https://app.example"
ALLOWED, EXPOSED = "access-control-allow-origin", "access-control-expose-headers"
CALL = {
    **{"jsonrpc": "2.0", "id": 1, "method": "tools/call"},
    "params": {"name": "generate", "arguments": {"client_request_id": "1", "prompt": "a fox"}},
}


def ask(method: str, path: str, key: str | None = None, said: Any = None, **headers: str) -> httpx2.Response:
    async def run() -> httpx2.Response:
        asked = {"Accept": "application/json, text/event-stream", **headers}
        async with browser(key) as http:
            return await http.request(method, SITE + path, headers=asked, json=said)

    return asyncio.run(run())


def test_a_page_of_a_keys_origin_calls_tools_and_reads_the_answer(studio: Workspace) -> None:
    answer = ask("POST", "/mcp", key_of(studio, origins=[APP]), CALL, Origin=APP)
    assert (answer.status_code, answer.headers[ALLOWED]) == (200, APP), answer.text
    assert {"Mcp-Session-Id", "WWW-Authenticate"} <= set(answer.headers[EXPOSED].split(", "))
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    assert Generation.objects.of(studio).exists()


@pytest.mark.parametrize("origins", [[], [APP]])
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_from_any_other_origin_nothing_is_done(studio: Workspace, origins: list[str], origin: str) -> None:
    answer = ask("POST", "/mcp", key_of(studio, origins=origins), CALL, Origin=origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert ALLOWED not in answer.headers
    assert not Generation.objects.of(studio).exists()


def test_a_key_for_pages_is_none_for_programs(studio: Workspace) -> None:
    assert ask("POST", "/mcp", key_of(studio, origins=[APP]), CALL).json()["code"] == "origin_not_allowed"


def test_the_sites_own_pages_may_ask(studio: Workspace, key: str, settings: Settings) -> None:
    settings.SITE_URL = APP
    assert ask("POST", "/mcp", key, CALL, Origin=APP).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/.well-known/oauth-protected-resource/mcp"])
def test_a_preflight_is_answered_alike_whoever_asks(path: str, django_assert_num_queries: Any) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, mcp-session-id"}
    with django_assert_num_queries(0):
        answers = [ask("OPTIONS", path, **asked, Origin=origin) for origin in (APP, "https://b.example")]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[0].headers == answers[1].headers
    assert answers[0].headers[ALLOWED] == "*", "with which browsers send no cookies"
    assert answers[0].headers["access-control-allow-headers"] == "Authorization, *"


def test_a_page_without_a_token_reads_how_to_get_one(studio: Workspace) -> None:
    refused = ask("POST", "/mcp", None, CALL, Origin=APP)
    assert (refused.status_code, refused.headers[ALLOWED]) == (401, "*")
    assert "WWW-Authenticate" in refused.headers[EXPOSED]
    assert "resource_metadata=" in refused.headers["www-authenticate"]
    assert ask("GET", "/.well-known/oauth-protected-resource/mcp", Origin=APP).headers[ALLOWED] == "*"
    assert ask("GET", "/mcp", Origin=APP).headers[ALLOWED] == "*", "which says that there is no stream"


def test_a_page_reads_that_it_asked_too_often(studio: Workspace, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    key = key_of(studio, origins=[APP])
    answers = [ask("POST", "/mcp", key, {**CALL, "method": "tools/list", "params": {}}, Origin=APP) for _ in range(2)]
    assert [(answer.status_code, answer.headers[ALLOWED]) for answer in answers] == [(200, APP), (429, APP)]
    assert ApiKey.objects.count() == 1
