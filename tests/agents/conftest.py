from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client as Agent
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from accounts import api_keys
from accounts.models import Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from generation.models import Generation
from generation.settlement import settle
from loremotion.agents.server import Agents
from loremotion.handler import OneThreadHandler
from tests.accounts import factories as people
from tests.generation import factories

SITE = "http://127.0.0.1"
Act = Callable[[Agent], Awaitable[Any]]


@pytest.fixture
def studio(transactional_db: None) -> Workspace:
    factories.model(modes=["text", "image", "extend"])
    studio = people.team(people.person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=400, kind=ledger.LotKind.PACK)
    return studio


@pytest.fixture
def key(studio: Workspace) -> str:
    return key_of(studio)


def key_of(workspace: Workspace, *scopes: str, **terms: Any) -> str:
    owner = workspace.memberships.get(role=Role.OWNER).user
    terms = {"name": "agent", "scopes": list(scopes) or ["generate", "read"], **terms}
    return api_keys.issue(workspace=workspace, by=owner, allowed=BY_ROLE[Role.OWNER], **terms)[1]


def application() -> Any:
    return Agents(OneThreadHandler())


def browser(key: str | None = None) -> httpx2.AsyncClient:
    """A client of the site within this process."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(application()), base_url=SITE, headers=headers)


def as_agent(key: str, act: Act, *, query: str = "") -> Any:
    """What ``act`` returns, done by the official client over streamable HTTP."""

    async def run() -> Any:
        async with browser(key) as http, Agent(streamable_http_client(f"{SITE}/mcp{query}", http_client=http)) as agent:
            return await act(agent)

    return asyncio.run(run())


def words(result: CallToolResult) -> str:
    return " ".join(part.text for part in result.content if isinstance(part, TextContent))


def call(key: str, tool: str, *, query: str = "", **said: Any) -> CallToolResult:
    found: CallToolResult = as_agent(key, lambda agent: agent.call_tool(tool, said), query=query)
    return found


def finished(workspace: Workspace) -> Generation:
    generation = factories.submitted(workspace)
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    return generation
