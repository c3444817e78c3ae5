"""What a connected app reaches, and with whom it goes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from mcp.client.client import Client as Agent

from accounts import api_keys, erasure, members
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from accounts.roles import Role
from billing import ledger
from generation.models import Generation
from tests.accounts import factories as people
from tests.agents.oauth.conftest import (
    Storage,
    Walk,
    connected,
    lapse,
    me,
    terms,
)
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_an_app_that_is_a_page_is_used_from_there_and_a_program_from_anywhere(walk: Walk, studio: Workspace) -> None:
    token = walk.tokens(studio)["access_token"]
    page, program = {"Origin": "http://127.0.0.1:33418"}, Client(headers={"Authorization": f"Bearer {token}"})
    assert program.get("/v1/me", headers=page)["Access-Control-Allow-Origin"] == page["Origin"]
    assert program.get("/v1/me").status_code == 200
    elsewhere = program.get("/v1/me", headers={"Origin": "https://evil.example", "Sec-Fetch-Mode": "cors"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "origin_not_allowed")
