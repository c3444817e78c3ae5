"""Apps that are connected by OAuth: the official client's walk over HTTP, and whoever strays from it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from allauth.idp.oidc.models import Token
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client as Agent
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pytest_django import Settings

from accounts.models import User, Workspace
from accounts.roles import Role
from tests.accounts import factories as people
from tests.agents.conftest import SITE, Act, application

BACK = "http://127.0.0.1:33418/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture(autouse=True)
def site(settings: Settings, valkey: Any) -> None:
    settings.SITE_URL = SITE
    cache.clear()


@pytest.fixture
def owner(studio: Workspace) -> User:
    return studio.memberships.get(role=Role.OWNER).user


def hidden(page: str) -> dict[str, str]:
    """What the page's form sends unseen."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: value.replace("&quot;", '"') for name, value in found}


def terms(workspace: Workspace, **said: Any) -> dict[str, Any]:
    return {"action": "grant", "workspace": str(workspace.id), "scopes": ["read", "generate"], **said}


def lapse() -> None:
    Token.objects.filter(type=Token.Type.ACCESS_TOKEN).update(expires_at=timezone.now())


class Storage:
    """What the official client keeps."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        self.flow: OAuthClientProvider | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def connected(storage: Storage, browser: Client, said: Mapping[str, Any], act: Act) -> Any:
    """What ``act`` returns, done by the official client, whose person agrees in ``browser`` to what is ``said``."""
    session = browser.cookies["sessionid"].value
    came_back: dict[str, str] = {}

    async def run() -> Any:
        transport = httpx2.ASGITransport(application())

        async def agree(address: str) -> None:
            async with httpx2.AsyncClient(transport=transport, base_url=SITE, cookies={"sessionid": session}) as page:
                asked = await page.get(address)
                assert asked.status_code == 200, asked.text
                answer = await page.post("/oauth/authorize/", data={**hidden(asked.text), **said})
                assert answer.status_code == 302, answer.text
                came_back.update(parse_qsl(urlsplit(answer.headers["location"]).query))

        async def come_back() -> AuthorizationCodeResult:
            return AuthorizationCodeResult(
                code=came_back.get("code", ""), state=came_back["state"], iss=came_back["iss"]
            )

        metadata = OAuthClientMetadata(
            redirect_uris=[BACK],  # type: ignore[list-item]  # pydantic makes an address of the text
            client_name="Fox Agent",
            token_endpoint_auth_method="none",
        )
        storage.flow = flow = OAuthClientProvider(f"{SITE}/mcp", metadata, storage, agree, come_back)
        async with (
            httpx2.AsyncClient(transport=transport, base_url=SITE, auth=flow) as http,
            Agent(streamable_http_client(f"{SITE}/mcp", http_client=http)) as agent,
        ):
            return await act(agent)

    return asyncio.run(run())


class Walk:
    """The walk of an app, step by step, as no well-behaved one goes it."""

    def __init__(self, browser: Client) -> None:
        self.browser, self.app = browser, Client()
        registered = self.register(redirect_uris=[BACK], client_name="Fox Agent")
        assert registered.status_code == 201, registered.content
        self.client_id = registered.json()["client_id"]

    def register(self, **said: Any) -> Any:
        body = {"token_endpoint_auth_method": "none", **said}
        return self.app.post("/oauth/register", body, content_type="application/json")

    def asked(self, **said: str) -> dict[str, str]:
        return {
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "response_type": "code",
            "state": "s",
            "scope": "read generate",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | said

    def ask(self, **said: str) -> Any:
        return self.browser.get("/oauth/authorize/?" + urlencode(self.asked(**said)))

    def agree(self, workspace: Workspace, **said: Any) -> Any:
        page = self.ask()
        assert page.status_code == 200, page.content
        return self.browser.post("/oauth/authorize/", {**hidden(page.content.decode()), **terms(workspace, **said)})

    def code(self, workspace: Workspace, **said: Any) -> str:
        answer = self.agree(workspace, **said)
        assert answer.status_code == 302, answer.content.decode()
        return str(parse_qs(urlsplit(answer["Location"]).query)["code"][0])

    def exchange(self, code: str, **said: str) -> Any:
        whole = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
        return self.app.post("/oauth/token", {**whole, "client_id": self.client_id, **said})

    def refresh(self, token: str) -> Any:
        said = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id}
        return self.app.post("/oauth/token", said)

    def tokens(self, workspace: Workspace, **said: Any) -> dict[str, Any]:
        answer = self.exchange(self.code(workspace, **said))
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found


def me(token: str) -> Any:
    return Client().get("/v1/me", headers={"Authorization": f"Bearer {token}"})


def of_back(answer: Any) -> dict[str, str]:
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(BACK)
    return dict(parse_qsl(urlsplit(answer["Location"]).query))


@pytest.fixture
def walk(owner: User, studio: Workspace) -> Walk:
    return Walk(people.browser_of(owner, studio))
