"""Apps that are connected by OAuth: the official client's walk over HTTP, and whoever strays from it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import uuid4

import httpx2
import pytest
from allauth.idp.oidc.models import Client as App
from allauth.idp.oidc.models import Token
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.client import Client as Agent
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pytest_django import Settings

from accounts import api_keys, erasure, members, passwords
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from accounts.oauth import connections
from accounts.roles import Role
from billing import ledger
from generation.models import Generation
from loremotion.settings import sign_in as real
from tests.accounts import factories as people
from tests.agents.conftest import SITE, Act, application
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)
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


def test_the_official_client_connects_itself_makes_a_clip_and_pays_once(studio: Workspace, owner: User) -> None:
    storage, asked = Storage(), {"client_request_id": str(uuid4()), "prompt": "a fox on its own"}

    async def act(agent: Agent) -> Any:
        made = [await agent.call_tool("generate", asked) for _ in range(2)]
        first_tokens = storage.tokens
        assert storage.flow is not None
        storage.flow.context.token_expiry_time = 1  # it lapses here and there: the client renews it by itself
        await asyncio.to_thread(lapse)
        balance = await agent.call_tool("balance", {})
        assert storage.tokens != first_tokens
        return *made, balance

    said = terms(studio, daily_cap_credits="50")
    first, again, balance = connected(storage, people.browser_of(owner, studio), said, act)
    assert not first.is_error
    assert first.structured_content["id"] == again.structured_content["id"]
    assert balance.structured_content["workspace"] == "Studio"
    (clip,) = Generation.objects.of(studio)
    key = ApiKey.objects.get()
    assert clip.api_key == key
    assert (key.name, key.scopes) == ("Fox Agent", ["read", "generate"])
    assert (key.daily_cap_credits, key.expires_at, key.is_connection) == (50, None, True)


def test_who_denies_is_not_connected(studio: Workspace, owner: User) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        connected(Storage(), people.browser_of(owner, studio), {"action": "deny"}, lambda agent: agent.list_tools())
    assert caught.group_contains(OAuthFlowError, match="No authorization code")
    assert not ApiKey.objects.exists()


def test_a_connection_reaches_its_own_workspace_alone(walk: Walk, studio: Workspace, owner: User) -> None:
    elsewhere = people.team(owner, "Elsewhere")
    strangers = people.team(people.person("stranger@example.org"), "Strangers")
    for workspace in (elsewhere, strangers):
        ledger.grant(account=workspace.id, reference=f"test:{workspace.id}", amount=400, kind=ledger.LotKind.PACK)
    theirs, other, mine = (factories.submitted(workspace) for workspace in (strangers, elsewhere, studio))
    token = walk.tokens(studio)["access_token"]
    program = Client(headers={"Authorization": f"Bearer {token}"})
    assert me(token).json()["workspace"]["name"] == "Studio"
    assert program.get(f"/v1/videos/{mine.id}").status_code == 200
    for clip in (theirs, other):
        assert program.get(f"/v1/videos/{clip.id}").status_code == 404
    assert program.get("/history/").status_code == 200  # a page knows nobody by a token
    assert str(mine.id) not in program.get("/history/").content.decode()


def test_its_limit_and_its_scopes_hold(walk: Walk, studio: Workspace) -> None:
    token = walk.tokens(studio, daily_cap_credits="0")["access_token"]
    program = Client(headers={"Authorization": f"Bearer {token}"})
    refused = program.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert (refused.status_code, "0 left today" in refused.json()["detail"]) == (403, True), refused.json()
    token = walk.tokens(studio, scopes=["read"])["access_token"]
    program = Client(headers={"Authorization": f"Bearer {token}"})
    refused = program.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert refused.status_code == 403
    assert program.get("/v1/webhook_endpoints").status_code in (403, 404)


def test_a_code_counts_once_and_one_that_comes_again_ends_the_connection(walk: Walk, studio: Workspace) -> None:
    code = walk.code(studio)
    given = walk.exchange(code).json()
    assert me(given["access_token"]).status_code == 200
    again = walk.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert me(given["access_token"]).json()["code"] == "disconnected"
    assert walk.refresh(given["refresh_token"]).status_code == 400


def test_a_refresh_token_counts_once_and_one_that_comes_again_ends_the_connection(
    walk: Walk, studio: Workspace
) -> None:
    first = walk.tokens(studio)
    second = walk.refresh(first["refresh_token"]).json()
    assert me(second["access_token"]).status_code == 200
    assert walk.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert me(second["access_token"]).status_code == 401
    assert walk.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_is_known_to_have_been_used_however_long_ago(walk: Walk, studio: Workspace) -> None:
    first = walk.tokens(studio)
    last = first
    for _ in range(2):
        last = walk.refresh(last["refresh_token"]).json()
    cache.clear()
    assert me(last["access_token"]).status_code == 200
    assert walk.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert me(last["access_token"]).json()["code"] == "disconnected"


def test_nobody_ends_a_connection_with_a_token_that_it_never_had(walk: Walk, studio: Workspace) -> None:
    given = walk.tokens(studio)
    key, text = ApiKey.objects.get(), given["refresh_token"]
    for forged in (f"{key.id}.x", f"{key.id}.x.x", f"{text}x", f"{text[:-1]}", "", "x.y.z"):
        assert walk.refresh(forged).status_code == 400
    Token.objects.filter(type=Token.Type.REFRESH_TOKEN).update(expires_at=timezone.now())
    assert walk.refresh(text).json()["error"] == "invalid_grant"  # it lapsed, and was not used
    assert me(given["access_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["code", "refresh token"])
def test_of_the_same_proof_sent_at_once_one_counts(walk: Walk, studio: Workspace, kind: str) -> None:
    proof = walk.code(studio) if kind == "code" else walk.tokens(studio)["refresh_token"]

    def send(_: int) -> int:
        try:
            return int((walk.exchange(proof) if kind == "code" else walk.refresh(proof)).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [200, 400, 400, 400]
    assert not ApiKey.objects.live().exists()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:33418/elsewhere"}, "invalid_request"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
    ],
)
def test_a_code_is_nothing_without_what_it_was_asked_with(
    walk: Walk, studio: Workspace, said: dict[str, str], error: str
) -> None:
    code = walk.code(studio)
    assert walk.exchange(**{"code": code, **said}).json()["error"] == error
    assert not Token.objects.exists()
    assert walk.exchange(code).status_code == 200


def test_a_code_that_comes_late_connects_nothing(walk: Walk, studio: Workspace) -> None:
    code = walk.code(studio)
    ApiKey.objects.update(expires_at=timezone.now())
    assert walk.exchange(code).json()["error"] == "invalid_grant"


def test_what_others_write_into_valkey_connects_nothing(walk: Walk, studio: Workspace) -> None:
    """Neither a code that nobody agreed to, nor one whose proof was exchanged for another, nor one that was used."""
    code = walk.code(studio)
    noted = f"allauth.idp.oidc.authorization_code[{walk.client_id}:"
    agreed, kept = cache.get(f"{noted}{code}]"), cache.get(connections._code_name(connections._digest(code)))
    for name, value in ((f"{noted}forged]", agreed), (connections._code_name(connections._digest("forged")), kept)):
        cache.set(name, value)
    assert walk.exchange("forged").json()["error"] == "invalid_grant"
    theirs = {"code_challenge": connections._challenge("w" * 64), "code_challenge_method": "S256"}
    cache.set(f"{noted}{code}]", agreed | {"pkce": theirs})
    assert walk.exchange(code, code_verifier="w" * 64).json()["error"] == "invalid_grant"
    cache.set(f"{noted}{code}]", agreed)
    assert walk.exchange(code).status_code == 200
    cache.set(f"{noted}{code}]", agreed)
    cache.set(connections._code_name(connections._digest(code)), kept)
    assert walk.exchange(code).json()["error"] == "invalid_grant"


def test_a_token_ends_with_its_time_and_with_its_connection(walk: Walk, studio: Workspace, owner: User) -> None:
    given = walk.tokens(studio)
    lapse()
    assert me(given["access_token"]).json()["code"] == "invalid_token"
    renewed = walk.refresh(given["refresh_token"]).json()
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert me(renewed["access_token"]).status_code == 401
    assert walk.refresh(renewed["refresh_token"]).status_code == 400


def test_who_disconnects_an_app_stops_it_in_the_middle(studio: Workspace, owner: User) -> None:
    browser = people.browser_of(owner, studio)

    async def act(agent: Agent) -> Any:
        before = await agent.call_tool("balance", {})
        await asyncio.to_thread(disconnect)
        return before, await agent.call_tool("balance", {})

    def disconnect() -> None:
        key = ApiKey.objects.get()
        assert "Fox Agent" in browser.get("/account/apps/").content.decode()
        assert browser.post(f"/account/apps/{key.id}/disconnect/").status_code == 302

    storage = Storage()
    before, after = connected(storage, browser, terms(studio), act)
    assert not before.is_error
    # The client asked its person again, who agreed: another connection, and the first one stays ended.
    assert not after.is_error
    first, second = ApiKey.objects.order_by("id")
    assert (first.is_live, second.is_live) == (False, True)


def test_an_app_that_revokes_a_token_is_disconnected(walk: Walk, studio: Workspace) -> None:
    given = walk.tokens(studio)
    said = {"token": given["refresh_token"], "client_id": walk.client_id}
    assert walk.app.post("/oauth/revoke", {**said, "client_id": "somebody"}).status_code == 401
    assert me(given["access_token"]).status_code == 200
    assert walk.app.post("/oauth/revoke", said).status_code == 200
    assert me(given["access_token"]).status_code == 401
    assert AuditEntry.objects.filter(event="app.disconnected", actor="app Fox Agent").exists()


def test_an_app_connected_again_takes_its_own_place_with_what_is_left_of_its_limit(
    walk: Walk, studio: Workspace
) -> None:
    earlier = walk.tokens(studio)
    later = walk.tokens(studio)
    assert (me(earlier["access_token"]).status_code, me(later["access_token"]).status_code) == (401, 200)
    first, second = ApiKey.objects.order_by("id")
    assert first.line_id == second.line_id


def test_an_app_goes_with_the_member_who_connected_it(studio: Workspace) -> None:
    admin = people.person("admin@example.org")
    place = Membership.objects.create(workspace=studio, user=admin, role=Role.ADMIN)
    given = Walk(people.browser_of(admin, studio)).tokens(studio)
    members.remove(membership=place, by=place)
    assert me(given["access_token"]).status_code == 401


def test_an_app_goes_with_the_role_that_let_it_be_connected(walk: Walk, studio: Workspace, owner: User) -> None:
    admin = people.person("admin@example.org")
    place = Membership.objects.create(workspace=studio, user=admin, role=Role.ADMIN)
    theirs = Walk(people.browser_of(admin, studio))
    given, agreed, others = theirs.tokens(studio), theirs.code(studio), walk.tokens(studio)
    by = studio.memberships.get(user=owner)
    for role, status in ((Role.ADMIN, 200), (Role.VIEWER, 401)):
        members.change(membership=place, by=by, role=role, daily_cap_credits=None, monthly_cap_credits=None)
        assert me(given["access_token"]).status_code == status
    assert theirs.refresh(given["refresh_token"]).status_code == 400
    assert theirs.exchange(agreed).status_code == 400
    assert me(others["access_token"]).status_code == 200
    ended = AuditEntry.objects.filter(event="app.disconnected", actor=owner.email)
    assert ended.count() == 2  # the one in use, and the one whose code was not exchanged


def test_an_app_does_nothing_for_somebody_who_may_not_sign_in(walk: Walk, studio: Workspace, owner: User) -> None:
    given, agreed = walk.tokens(studio), walk.code(studio)
    User.objects.update(is_active=False)
    assert me(given["access_token"]).json()["code"] == "invalid_token"
    assert walk.refresh(given["refresh_token"]).json()["error"] == "invalid_grant"
    assert walk.exchange(agreed).json()["error"] == "invalid_grant"
    User.objects.update(is_active=True)
    assert me(given["access_token"]).status_code == 200


def test_an_app_goes_with_an_account_that_is_erased(studio: Workspace) -> None:
    admin = people.person("admin@example.org")
    Membership.objects.create(workspace=studio, user=admin, role=Role.ADMIN)
    given = Walk(people.browser_of(admin, studio)).tokens(studio)
    erasure.erase_person(admin)
    assert me(given["access_token"]).status_code == 401
    assert not ApiKey.objects.live().exists()
    assert AuditEntry.objects.filter(event="app.disconnected", actor=erasure.NOBODY).exists()
    assert not AuditEntry.objects.filter(actor=admin.email).exists()


def test_a_token_for_less_does_less(walk: Walk, studio: Workspace) -> None:
    wide = walk.tokens(studio)
    said = {"grant_type": "refresh_token", "refresh_token": wide["refresh_token"], "client_id": walk.client_id}
    narrow = walk.app.post("/oauth/token", {**said, "scope": "read"}).json()
    assert narrow["scope"] == "read"
    program = Client(headers={"Authorization": f"Bearer {narrow['access_token']}"})
    assert program.get("/v1/videos").status_code == 200
    refused = program.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


def test_who_manages_no_keys_connects_no_app(walk: Walk, studio: Workspace) -> None:
    viewer = people.person("viewer@example.org")
    Membership.objects.create(workspace=studio, user=viewer, role=Role.VIEWER)
    walk.browser = people.browser_of(viewer, studio)
    answer = walk.agree(studio)
    assert (answer.status_code, "Select a valid choice" in answer.content.decode()) == (422, True)
    assert not ApiKey.objects.exists()


def test_what_an_app_may_not_ask_is_refused(walk: Walk, studio: Workspace) -> None:
    """To the app where it can be told so, and to the person where nobody knows whose address that is."""
    assert of_back(walk.ask(code_challenge=""))["error"] == "invalid_request"
    assert of_back(walk.ask(code_challenge_method="plain"))["error"] == "invalid_request"
    assert of_back(walk.ask(scope="read admin"))["error"] == "invalid_scope"
    assert of_back(walk.ask(response_type="token"))["error"] in ("unauthorized_client", "unsupported_response_type")
    for wrong in (
        {"redirect_uri": "https://elsewhere.example/callback"},
        {"redirect_uri": f"{BACK}/more"},
        {"client_id": "somebody"},
        {"resource": "https://elsewhere.example/mcp"},
    ):
        page = walk.ask(**wrong)
        assert (page.status_code, "can't be connected" in page.content.decode()) == (400, True), wrong
    assert not ApiKey.objects.exists()


def test_nobody_is_connected_unasked(walk: Walk, studio: Workspace) -> None:
    walk.tokens(studio)
    App.objects.update(skip_consent=True)
    assert walk.ask(prompt="none").status_code == 200
    assert (
        Client()
        .get("/oauth/authorize/?" + urlencode(walk.asked(prompt="none")))["Location"]
        .startswith("/account/login/")
    )
    page = walk.ask()
    said = {**hidden(page.content.decode()), **terms(studio)}
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = walk.browser.cookies
    assert forger.post("/oauth/authorize/", {**said, "csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert walk.browser.post("/oauth/authorize/", {**said, "request": "forged:x"}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_the_page_says_who_asks_and_lets_its_form_lead_back(walk: Walk, studio: Workspace) -> None:
    page = walk.ask()
    text = page.content.decode()
    assert "Fox Agent" in text
    assert "sent back to a program on this device." in text
    policy = dict(part.strip().partition(" ")[::2] for part in page["Content-Security-Policy"].split(";"))
    assert policy["form-action"].split()[-1] == "http://127.0.0.1:33418"


@pytest.mark.parametrize(
    ("redirect", "says", "origin"),
    [
        ("https://app.example:8443/back", "sent back to <strong>app.example</strong>.", "https://app.example:8443"),
        ("cursor://oauth/back", "the app that opens <strong>cursor:</strong> on this device.", "cursor:"),
        ("HTTPS://app.example/back", "sent back to <strong>app.example</strong>.", "https://app.example"),
        ("httpx://app.example/back", "the app that opens <strong>httpx:</strong> on this device.", "httpx:"),
        ("httpx://localhost/back", "the app that opens <strong>httpx:</strong> on this device.", "httpx:"),
        ("http://localhost/back", "sent back to a program on this device.", "http://localhost"),
    ],
)
def test_the_page_says_where_it_leads_back(
    walk: Walk, studio: Workspace, redirect: str, says: str, origin: str
) -> None:
    walk.client_id = walk.register(redirect_uris=[redirect]).json()["client_id"]
    page = walk.ask(redirect_uri=redirect)
    assert says in page.content.decode()
    assert f" {origin};" in f"{page['Content-Security-Policy']};"
    said = {**hidden(page.content.decode()), **terms(studio)}
    back = redirect.replace("HTTPS", "https")
    assert walk.browser.post("/oauth/authorize/", said)["Location"].startswith(f"{back}?")


@pytest.mark.parametrize("redirect", ["https://app.example/back", "HTTPS://app.example/back", "cursor://app.example/"])
def test_an_app_without_a_name_is_called_after_where_it_leads(walk: Walk, studio: Workspace, redirect: str) -> None:
    walk.client_id = walk.register(redirect_uris=[redirect], client_name="").json()["client_id"]
    name = "cursor:" if redirect.startswith("cursor") else "app.example"
    assert f"Connect {name}?" in walk.ask(redirect_uri=redirect).content.decode()


@pytest.mark.parametrize(
    ("registered", "asked", "status"),
    [
        (BACK, BACK, 200),
        (BACK, "http://127.0.0.1:5000/callback", 200),  # whichever is free when the app is opened (RFC 8252)
        (BACK, "http://127.0.0.1/callback", 200),
        ("http://[::1]:1/callback", "http://[::1]:2/callback", 200),
        (BACK, f"{BACK}?more=1", 400),
        (BACK, "http://127.0.0.1:99999/callback", 400),
        (BACK, "http://127.0.0.1:x/callback", 400),
        (BACK, "http://me@127.0.0.1:33418/callback", 400),
        ("http://localhost:1/callback", "http://localhost:2/callback", 400),
        ("https://app.example/back", "https://app.example/back?more=1", 400),
        ("https://app.example/back", "https://app.example:444/back", 400),
        ("https://app.example/back", "https://app.example:99999/back", 400),
        ("https://app.example/back?one=1", "https://app.example/back?one=1", 200),
        ("https://app.example/back?one=1", "https://app.example/back?one=1&two=2", 400),
    ],
)
def test_a_redirect_is_one_that_was_registered(
    walk: Walk, studio: Workspace, registered: str, asked: str, status: int
) -> None:
    walk.client_id = walk.register(redirect_uris=[registered]).json()["client_id"]
    page = walk.ask(redirect_uri=asked)
    assert page.status_code == status
    assert ("can't be connected" in page.content.decode()) == (status == 400)


@pytest.mark.parametrize(
    "redirect",
    [
        "http://elsewhere.example/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://me@elsewhere.example/",
        "https://app.example/#part",
        "https://app.example/\nhttps://other.example/",
        "https:///callback",
        "/callback",
        "https://app.example/" + "x" * 500,
    ],
)
def test_an_app_is_sent_back_to_no_odd_address(walk: Walk, redirect: str) -> None:
    assert walk.register(redirect_uris=[redirect]).status_code == 400
    assert App.objects.count() == 1


def test_apps_of_every_kind_may_register_and_be_told_what_they_may(walk: Walk) -> None:
    for redirect in ("https://app.example/callback", "cursor://anysphere.cursor-mcp/oauth/callback"):
        made = walk.register(redirect_uris=[redirect], grant_types=["client_credentials"], scope="openid admin")
        assert made.status_code == 201
        assert made.json()["grant_types"] == ["authorization_code", "refresh_token"]
        assert made.json()["scope"] == "read generate billing-read"
        assert made["Access-Control-Allow-Origin"] == "*"
    assert walk.register(redirect_uris=[f"https://a.example/{n}" for n in range(11)]).status_code == 400


def test_apps_do_not_register_without_end(walk: Walk, settings: Settings) -> None:
    settings.IDP_OIDC_RATE_LIMITS = {"client_registration": "2/m/ip"}
    cache.clear()
    made = [walk.register(redirect_uris=[redirect]).status_code for redirect in (BACK, "javascript:alert(1)", BACK)]
    assert made == [201, 400, 429]


def test_no_password_is_hashed_for_an_app(
    walk: Walk, studio: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few are hashed at a time, for which people wait to sign in, and anybody may register."""

    def refuse(*said: object) -> None:
        raise AssertionError("a password was hashed")

    settings.PASSWORD_HASHERS = real.PASSWORD_HASHERS
    for name in ("encode", "verify"):
        monkeypatch.setattr(passwords.Argon2, name, refuse)
    assert walk.register(redirect_uris=["http://elsewhere.example/"]).status_code == 400
    assert walk.register(redirect_uris=[BACK]).status_code == 201
    assert walk.exchange(walk.code(studio), client_secret="a guess").json()["error"] == "invalid_client"
    made = walk.register(redirect_uris=[BACK], token_endpoint_auth_method="client_secret_post").json()
    walk.client_id = made["client_id"]
    code = walk.code(studio)
    assert walk.exchange(code, client_secret="a guess").json()["error"] == "invalid_client"
    assert walk.exchange(code).json()["error"] == "invalid_client"
    assert walk.exchange(code, client_secret=made["client_secret"]).status_code == 200
    assert made["client_secret"] not in App.objects.get(id=made["client_id"]).secret


def test_what_lapsed_and_what_nobody_connected_is_deleted(walk: Walk, studio: Workspace) -> None:
    walk.tokens(studio)
    unused = walk.register(redirect_uris=[BACK]).json()["client_id"]
    App.objects.update(created_at=timezone.now() - connections.UNUSED_CLIENT_KEPT - timedelta(days=1))
    lapse()
    connections.clean(limit=10)
    assert [token.type for token in Token.objects.all()] == [Token.Type.REFRESH_TOKEN]
    assert [app.id for app in App.objects.all()] == [walk.client_id]
    assert unused != walk.client_id


def test_a_connection_has_no_text_that_could_be_sent_or_rotated(walk: Walk, studio: Workspace, owner: User) -> None:
    walk.tokens(studio)
    key = ApiKey.objects.get()
    assert me(f"{key.prefix}_{'x' * 43}").status_code == 401
    page = walk.browser.get("/workspace/keys/").content.decode()
    assert "Fox Agent" in page
    assert f"/workspace/keys/{key.id}/rotate/" not in page
    assert walk.browser.post(f"/workspace/keys/{key.id}/rotate/").status_code == 409
    api_keys.revoke(key=key, actor="test")
    assert "Fox Agent" not in walk.browser.get("/account/apps/").content.decode()
