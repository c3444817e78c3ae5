"""``/mcp`` by the official client over streamable HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from mcp.client.client import Client as Agent
from mcp_types import CallToolResult, ResourceLink

from accounts.models import ApiKey, Workspace
from generation.models import Generation
from tests.accounts import factories as people
from tests.agents.conftest import SITE, as_agent, browser, call, finished, key_of, words
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_offers_its_tools_and_says_what_spends(key: str) -> None:
    tools = {tool.name: tool for tool in as_agent(key, lambda agent: agent.list_tools()).tools}
    assert set(tools) == {
        *("models", "balance", "quote", "generate", "finish", "wait", "get", "list_clips", "cancel", "download"),
        *("list_characters", "make_character"),
        *("list_storyboards", "get_storyboard", "write_storyboard", "render_storyboard", "download_storyboard"),
    }
    assert {"client_request_id", "prompt"} == set(tools["generate"].input_schema["required"])
    assert not any(tools[name].annotations.read_only_hint for name in ("generate", "cancel"))
    assert all(tools[name].annotations.read_only_hint for name in ("models", "balance", "quote", "get", "download"))


def test_it_says_what_there_is_and_what_is_left(key: str) -> None:
    (model,) = call(key, "models").structured_content["result"]
    assert model["modes"] == ["text", "image", "extend"]
    me = call(key, "balance").structured_content
    assert (me["workspace"], me["monthly_cap"], me["credits"]) == ("Studio", None, None)
    assert "billing-read" in me["credits_hidden"]


def test_an_impatient_agent_pays_once(studio: Workspace, key: str) -> None:
    asked = {"client_request_id": str(uuid4()), "prompt": "an impatient fox", "seed": 3}

    async def act(agent: Agent) -> list[CallToolResult]:
        quoted = await agent.call_tool("quote", {"prompt": "an impatient fox"})
        made = await asyncio.gather(*(agent.call_tool("generate", asked) for _ in range(4)))
        again = await agent.call_tool("generate", asked)
        stopped = await agent.call_tool("cancel", {"video_id": again.structured_content["id"]})
        return [quoted, *made, again, stopped]

    quoted, *made, stopped = as_agent(key, act)
    assert not any(result.is_error for result in made), [words(result) for result in made]
    (video_id,) = {result.structured_content["id"] for result in made}
    assert made[0].structured_content["cost"]["held"] == quoted.structured_content["credits"]
    assert stopped.structured_content["cost"]["given_back"] == quoted.structured_content["credits"]
    assert [str(clip.id) for clip in Generation.objects.of(studio)] == [video_id]


def test_a_dear_clip_is_made_once_its_price_is_repeated(studio: Workspace, key: str) -> None:
    asked = {"client_request_id": str(uuid4()), "prompt": "a dear fox"}
    refused = call(key, "generate", query="?confirm_above=0", **asked)
    assert refused.is_error
    assert not Generation.objects.of(studio).exists()
    price = call(key, "quote", prompt="a dear fox").structured_content["credits"]
    assert f"confirmed_credits={price}." in words(refused)
    made = call(key, "generate", query="?confirm_above=0", confirmed_credits=price, **asked)
    assert not made.is_error, words(made)


def test_a_key_never_spends_more_than_its_limit(studio: Workspace) -> None:
    key = key_of(studio, daily_cap_credits=0)
    refused = call(key, "generate", client_request_id="1", prompt="a fox")
    assert (refused.is_error, "0 left today" in words(refused)) == (True, True), words(refused)
    assert not Generation.objects.of(studio).exists()


def test_a_finished_clip_is_waited_for_and_fetched(studio: Workspace, key: str) -> None:
    clip = finished(studio)
    assert call(key, "wait", video_id=str(clip.id)).structured_content["status"] == "completed"
    (link,) = call(key, "download", video_id=str(clip.id)).content
    assert isinstance(link, ResourceLink)
    assert link.mime_type == "video/mp4"

    async def fetch() -> bytes:
        async with browser(key) as http:
            return bytes((await http.get(link.uri.partition("/v1/")[1] + link.uri.partition("/v1/")[2])).content)

    assert len(asyncio.run(fetch())) == link.size


def test_a_wait_that_is_over_says_how_the_clip_stands_and_what_came_meanwhile(studio: Workspace, key: str) -> None:
    generation, told = factories.submitted(studio), list[str | None]()

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async def act(agent: Agent) -> CallToolResult:
        return await agent.call_tool("wait", {"video_id": str(generation.id), "seconds": 1}, progress_callback=heard)

    assert as_agent(key, act).structured_content["status"] == "queued"
    assert told


def test_nobody_reaches_what_is_another_workspaces(studio: Workspace, key: str) -> None:
    stranger = key_of(people.team(people.person("stranger@example.org"), "Strangers"))
    clip = finished(studio)
    for tool in ("get", "wait", "cancel", "download"):
        refused = call(stranger, tool, video_id=str(clip.id))
        assert (refused.is_error, "isn't yours" in words(refused)) == (True, True), (tool, words(refused))
    assert call(stranger, "list_clips").structured_content["result"] == []
    refused = call(stranger, "generate", client_request_id="1", prompt="a fox", video=str(clip.id), mode="extend")
    assert (refused.is_error, "no finished clip" in words(refused)) == (True, True), words(refused)


@pytest.mark.parametrize(
    ("tool", "asked", "says"),
    [
        ("generate", {"prompt": "a fox"}, "client_request_id"),
        ("generate", {"client_request_id": "a b", "prompt": "a fox"}, "client_request_id"),
        ("generate", {"client_request_id": "1", "prompt": "a fox", "size": "1x1"}, "Choose one of"),
        ("generate", {"client_request_id": "1", "prompt": "a fox", "video": "clip.mp4"}, "no id of a clip"),
        ("get", {"video_id": "../me"}, "no id of a clip"),
        ("wait", {"video_id": str(uuid4()), "seconds": 9_999}, "seconds"),
    ],
)
def test_what_cannot_be_is_told_in_words(key: str, tool: str, asked: dict[str, Any], says: str) -> None:
    refused = call(key, tool, **asked)
    assert (refused.is_error, says in words(refused)) == (True, True), words(refused)


@pytest.mark.parametrize("revoked", [False, True])
def test_without_a_key_that_holds_one_is_told_where_to_get_one(studio: Workspace, revoked: bool) -> None:
    key = key_of(studio) if revoked else None
    ApiKey.objects.update(revoked_at="2027-01-01T00:00Z")

    async def ask() -> tuple[Any, Any]:
        async with browser(key) as http:
            refused = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            address = refused.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
            return refused, await http.get("/.well-known" + address.partition("/.well-known")[2])

    refused, metadata = asyncio.run(ask())
    assert refused.status_code == 401
    assert metadata.json()["resource"].endswith("/mcp")


def test_a_cookie_lets_nobody_in(studio: Workspace) -> None:
    async def ask() -> int:
        async with browser() as http:
            http.cookies.set("csrftoken", "x")
            return int((await http.post("/mcp", json={})).status_code)

    assert asyncio.run(ask()) == 401


@pytest.mark.parametrize(("method", "query", "status"), [("GET", "", 405), ("POST", "?confirm_above=much", 422)])
def test_what_is_not_asked_so_is_refused(key: str, method: str, query: str, status: int) -> None:
    async def ask() -> int:
        async with browser(key) as http:
            return int((await http.request(method, f"{SITE}/mcp{query}")).status_code)

    assert asyncio.run(ask()) == status
