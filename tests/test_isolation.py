"""Isolation, proved: every address of the site, asked for by everybody who might.

Each route states in ``tests/route_access.py`` what it is. A new one that states nothing fails the suite, and so does a
statement about a route that is gone.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import api_keys, bans, invitations
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, User, Workspace
from accounts.roles import BY_ROLE, BY_SCOPE, ONLOOKER_MAY, VISITOR_MAY, WHILE_BANNED, Role, Scope
from billing import ledger
from billing.shop.models import Order, Price
from generation.boards.models import Board
from generation.characters.models import Character
from generation.models import Generation
from generation.notices.models import Notice
from generation.provider_keys.models import ProviderKey
from generation.settlement import settle
from generation.storyboards.models import Storyboard
from generation.webhooks import signing
from generation.webhooks.models import Delivery, Endpoint
from tests.accounts import factories
from tests.generation import factories as generations
from tests.route_access import ACCESS, Access, Kind, api_routes, routes, routes_of

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)

SECRETS = ("the secret prompt", "Secretive Studio", "@secret.example", "hooks.secret")


@dataclass
class World:
    """A team with everything in it, and everybody who is not of it."""

    studio: Workspace
    ids: dict[str, Any]
    members: dict[Role, Client]
    strangers: dict[str, Client]
    keys: dict[str, Client]
    key_of: dict[str, Client]


@pytest.fixture(autouse=True)
def surroundings(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Limits at zero, no program that converts clips, and a Stripe that sells without being asked over the network."""
    settings.STRIPE_SECRET_KEY = "sk_test_isolation"
    monkeypatch.setattr("generation.storage.conversions.convert", lambda file, suffix: b"converted")
    monkeypatch.setattr("billing.shop.ordering.pay_page", lambda order, **_: "https://pay.example/")


@pytest.fixture
def world(db: None) -> World:
    generations.model()
    people = {role: factories.person(f"{role}@secret.example") for role in Role}
    owner = people[Role.OWNER]
    studio = factories.team(
        owner, "Secretive Studio", plan="house", **{role: user for role, user in people.items() if role != Role.OWNER}
    )
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=500, kind=ledger.LotKind.PACK)
    generation = generations.submitted(studio, "the secret prompt")
    generations.deliver_clip(generation)
    settle.settle(generations.report(generation))
    price = Price.objects.filter(pack__isnull=False)[0]
    order = Order.objects.create(
        workspace=studio.id, account=studio.id, price=price, credits=500, state=Order.State.CLOSED
    )
    endpoint = Endpoint.objects.create(
        workspace=studio,
        name="hooks.secret",
        url="https://203.0.113.5/",  # leads nowhere, without a name service
        event_types=["video.completed"],
        sealed_secret=signing.seal(signing.new_secret()),
    )
    delivery = Delivery.objects.create(
        endpoint=endpoint, event_id="evt_1", event_type="video.completed", video_id=generation.id, expires_at=FAR_AWAY
    )
    board = Board.objects.create(workspace=studio, title="Secretive Studio")
    board.places.create(generation=generation)
    story = Storyboard.objects.create(workspace=studio, title="Secretive Studio", model="toy")
    story.scenes.create(position=1, prompt="secret", clip=generation)
    own_key = ProviderKey.objects.create(
        workspace=studio, account="google", title="Secretive Studio", pair="0", sealed="hooks.secret"
    )
    character = Character.objects.create(workspace=studio, name="Secretive Studio", keys=[], preview=b"")
    notice = Notice.objects.create(
        workspace=studio, clip_id=generation.id, address="secret", category="other", state=Notice.State.REMOVED
    )
    place = Membership.objects.get(workspace=studio, user=owner)
    invitation = invitations.invite(workspace=studio, by=place, email="guest@secret.example", role="viewer")
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    texts = {scope: key_for(studio, owner, scope) for scope in Scope}
    revoked, revoked_text = key_for(studio, owner, "read", "generate")
    api_keys.revoke(key=revoked, actor="test")
    expired, expired_text = key_for(studio, owner, "read", "generate")
    ApiKey.objects.filter(id=expired.id).update(expires_at=timezone.now() - timedelta(seconds=1))

    outsider = factories.person("outsider@example.org")
    elsewhere = factories.team(outsider, "Elsewhere")
    _, other_text = key_for(elsewhere, outsider, "read", "generate")
    return World(
        studio=studio,
        ids={
            "generation_id": generation.id,
            "workspace_id": studio.id,
            "member_id": Membership.objects.get(workspace=studio, role="viewer").id,
            "invitation_id": invitation.id,
            "key_id": texts[Scope.READ][0].id,
            "token": "forged",
            "session_id": UserSession.objects.create(user=owner, ip="127.0.0.0", session_key="of the owner").pk,
            "order_id": order.id,
            "endpoint_id": endpoint.id,
            "notice_id": notice.id,
            "provider_key_id": own_key.id,
            "delivery_id": delivery.pk,
            "price_id": price.id,
            "version_id": generation.version_id,
            "board_id": board.id,
            "storyboard_id": story.id,
            "character_id": character.id,
            "name": "toy",
            "slug": "toy",
        },
        members={role: factories.browser_of(user, studio) for role, user in people.items()},
        strangers={
            "nobody": Client(),
            "a visitor": factories.browser_of(generations.visitor(credits=500)),
            "a member of another workspace": factories.browser_of(outsider, elsewhere),
            "the same, having named ours": factories.browser_of(outsider, studio),
        },
        keys={
            "another workspace's key": program(other_text),
            "a revoked key": program(revoked_text),
            "an expired key": program(expired_text),
        },
        key_of={scope: program(text) for scope, (_, text) in texts.items()},
    )


def key_for(workspace: Workspace, by: User, *scopes: str) -> tuple[ApiKey, str]:
    return api_keys.issue(workspace=workspace, by=by, allowed=BY_ROLE[Role.OWNER], name="k", scopes=list(scopes))


def program(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


BODY = {
    "prompt": "a red circle", "name": "New name", "role": "member", "email": "somebody@example.org",
    "word": "yes", "scopes": ["read"],
}  # fmt: skip


@contextmanager
def asked(client: Client, world: World, route: str, access: Access) -> Iterator[HttpResponseBase]:
    """The answer, and within the block what it changed, which is taken back after it."""
    needed = routes()[route]
    assert needed <= set(world.ids), f"State what {needed - set(world.ids)} of {route} stands for."
    address = reverse(route, kwargs={name: world.ids[name] for name in needed})
    with transaction.atomic():
        if access.method == "get":
            yield client.get(address)
        else:
            yield client.post(address, {**BODY, "to": world.ids["member_id"], "price": world.ids["price_id"]})
        transaction.set_rollback(True)


def ask(client: Client, world: World, route: str, access: Access) -> HttpResponseBase:
    """The answer; whatever it changed is taken back."""
    with asked(client, world, route, access) as answer:
        return answer


def is_at_the_login(answer: HttpResponseBase) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith(("/account/login/", "/admin/login/"))


def was_let_in(answer: HttpResponseBase) -> bool:
    """Past the access: what was asked for may still be wrong (409, 422, 429), or Stripe be away (503)."""
    is_past = answer.status_code not in (401, 403, 404) and answer.status_code in (*range(500), 503)
    return is_past and not is_at_the_login(answer)


def told(answer: HttpResponseBase) -> str:
    """Everything the answer says, its headers included; of a stream what is there at once."""
    body = "" if getattr(answer, "streaming", False) else answer.content.decode(errors="replace")  # type: ignore[attr-defined]
    return body + str(answer.headers)


def state_of(studio: Workspace) -> Callable[[], object]:
    """Tells what a stranger must not have changed, as it is then, by one statement."""
    kept: list[QuerySet[Any, Any]] = [
        Workspace.objects.filter(id=studio.id).values(),
        Membership.objects.filter(workspace=studio).order_by("id").values("id", "role"),
        Generation.objects.filter(workspace=studio)
        .order_by("id")
        .values("id", "state", "cancel_asked_at", "is_favourite"),
        Board.objects.of(studio).values("id", "title", "places__generation"),
        Storyboard.objects.of(studio).values("id", "title", "scenes__prompt", "scenes__clip"),
        Character.objects.of(studio).values("id", "name"),
        studio.api_keys.order_by("id").values("id", "revoked_at", "expires_at"),
        studio.invitations.order_by("id").values("id", "token_digest"),
        studio.webhook_endpoints.order_by("id").values(),
        Delivery.objects.filter(endpoint__workspace=studio).order_by("id").values(),
        ProviderKey.objects.of(studio).values("id", "account", "tests"),
        AuditEntry.objects.filter(workspace=studio).values("id").order_by("id"),
        UserSession.objects.filter(session_key="of the owner").values("id"),
    ]
    statements, values = zip(*(rows.query.sql_with_params() for rows in kept), strict=True)
    parts = [f"(SELECT json_agg(it)::text FROM ({statement}) it)" for statement in statements]  # noqa: S608 - Django's own
    question = f"SELECT {', '.join(parts)}"

    def now() -> object:
        with connection.cursor() as cursor:
            cursor.execute(question, [value for each in values for value in each])
            return cursor.fetchone()

    return now


def test_every_route_states_what_it_is() -> None:
    unstated = set(routes()) - set(ACCESS)
    assert not unstated, f"Say in tests/route_access.py who may use {sorted(unstated)}."
    gone = set(ACCESS) - set(routes())
    assert not gone, f"These routes are gone, their statements may go too: {sorted(gone)}."


def test_strangers_learn_and_change_nothing(world: World, subtests: pytest.Subtests) -> None:
    state = state_of(world.studio)
    before = state()
    are_signed_in = {who: "_auth_user_id" in client.session for who, client in world.strangers.items()}
    for route, access in ACCESS.items():
        for who, client in world.strangers.items():
            is_signed_in = are_signed_in[who]  # whoever signs out is put back, with all that a request has changed
            with subtests.test(route=route, who=who), asked(client, world, route, access) as answer:
                assert state() == before
                assert answer.status_code in (*range(500), 503)
                assert not [secret for secret in SECRETS if secret in told(answer)]
                if access.kind == Kind.TOKEN:
                    assert answer.status_code in (400, 404)
                elif access.kind == Kind.OBJECT or (access.kind == Kind.MEMBERS_OBJECT and is_signed_in):
                    assert answer.status_code == 404
                elif access.kind in (Kind.MEMBERS_OBJECT, Kind.MEMBERS_OWN, Kind.PERSON) and not is_signed_in:
                    assert is_at_the_login(answer)
                elif access.kind == Kind.STAFF:
                    assert not was_let_in(answer)


def test_each_role_goes_where_the_table_says(world: World, subtests: pytest.Subtests) -> None:
    for route, access in routes_of(Kind.OBJECT, Kind.MEMBERS_OBJECT, Kind.OWN, Kind.MEMBERS_OWN):
        for role, client in world.members.items():
            with subtests.test(route=route, role=role):
                answer = ask(client, world, route, access)
                if access.action in BY_ROLE[role]:
                    assert was_let_in(answer)
                else:
                    assert answer.status_code == 403


def test_visitors_go_where_the_table_says(world: World, subtests: pytest.Subtests) -> None:
    for route, access in routes_of(Kind.OWN):
        with subtests.test(route=route):
            answer = ask(world.strangers["a visitor"], world, route, access)
            assert was_let_in(answer) == (access.action in VISITOR_MAY)


def test_a_banned_visitor_takes_along_and_erases_and_nothing_else(world: World, subtests: pytest.Subtests) -> None:
    staff = factories.person("staff@example.org", is_staff=True)
    visitor = generations.visitor(credits=500)
    bans.ban_visitor(visitor, by=staff, reason="spam")
    for route, access in routes_of(Kind.OWN):
        with subtests.test(route=route):
            answer = ask(factories.browser_of(visitor), world, route, access)
            assert was_let_in(answer) == (access.action in VISITOR_MAY & WHILE_BANNED)


def test_in_a_suspended_workspace_nobody_does_anything(world: World, subtests: pytest.Subtests) -> None:
    Workspace.objects.filter(id=world.studio.id).update(suspended_at=timezone.now())
    for route, access in routes_of(Kind.OBJECT, Kind.MEMBERS_OBJECT, Kind.OWN, Kind.MEMBERS_OWN):
        if route == "accounts:switch":
            continue  # that is not done in the workspace, and leads out of it
        for role, client in world.members.items():
            with subtests.test(route=route, role=role):
                assert ask(client, world, route, access).status_code == 403


def test_staff_that_looks_into_it_reads_what_an_onlooker_may_and_changes_nothing(
    world: World, subtests: pytest.Subtests
) -> None:
    staff = factories.browser_of(factories.person("staff@example.org", is_staff=True))
    assert staff.post(f"/admin/customers/{world.studio.id}/look/").status_code == 302
    assert "the secret prompt" in told(staff.get("/history/"))
    assert all(action.name.startswith("READ_") for action in ONLOOKER_MAY)
    state = state_of(world.studio)
    before = state()
    every = routes_of(Kind.OBJECT, Kind.MEMBERS_OBJECT, Kind.OWN, Kind.MEMBERS_OWN)
    beyond = [(route, access) for route, access in every if access.action not in ONLOOKER_MAY]
    assert len(beyond) > 30
    for route, access in beyond:
        with subtests.test(route=route), asked(staff, world, route, access) as answer:
            assert state() == before
            assert not was_let_in(answer)


def test_keys_go_where_their_scopes_say(world: World, subtests: pytest.Subtests) -> None:
    for route, access in api_routes():
        for scope, client in world.key_of.items():
            with subtests.test(route=route, scope=scope):
                assert was_let_in(ask(client, world, route, access)) == (access.action in BY_SCOPE[scope])


def test_keys_that_do_not_hold_open_nothing(world: World, subtests: pytest.Subtests) -> None:
    for route, access in api_routes():
        for who in ("a revoked key", "an expired key"):
            with subtests.test(route=route, who=who):
                assert ask(world.keys[who], world, route, access).status_code == 401
        with subtests.test(route=route, who="another workspace's key"):
            answer = ask(world.keys["another workspace's key"], world, route, access)
            assert "the secret prompt" not in told(answer)
            assert access.kind != Kind.OBJECT or answer.status_code == 404
    Workspace.objects.filter(id=world.studio.id).update(suspended_at=timezone.now())
    for route, access in api_routes():
        for client in world.key_of.values():
            with subtests.test(route=route, who="a suspended workspace's key"):
                assert ask(client, world, route, access).status_code == 403


def test_what_is_anothers_answers_as_what_is_not_there(world: World, subtests: pytest.Subtests) -> None:
    """Word for word, and by the same statements in the database: neither what is said nor how long it takes tells
    which ids exist."""
    client = world.strangers["a member of another workspace"]
    ours = dict(world.ids)
    nobodys: dict[str, Any] = {
        name: uuid.uuid4()
        for name in (
            "generation_id",
            "order_id",
            "workspace_id",
            "endpoint_id",
            "board_id",
            "storyboard_id",
            "character_id",
            "notice_id",
        )
    }
    nobodys |= {name: 2**31 - 1 for name in ("member_id", "invitation_id", "key_id", "delivery_id")}
    for route, access in routes_of(Kind.OBJECT, Kind.MEMBERS_OBJECT):
        with subtests.test(route=route):
            ask(client, world, route, access)  # what is done once in a while is done now
            asked, answers = [], []
            for world.ids in (ours, {**ours, **nobodys}):
                with CaptureQueriesContext(connection) as queries:
                    answers.append(ask(client, world, route, access))
                asked.append([without_values(query["sql"]) for query in queries])
            assert answers[0].status_code == answers[1].status_code == 404
            assert without_chance(told(answers[0])) == without_chance(told(answers[1]))
            assert asked[0] == asked[1]


def without_chance(text: str) -> str:
    """What differs from one request to the next: ids, tokens, and how much of the rate limit is left."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|value=\"\w{64}\"|csrf\S+|csrftoken=\S+|nonce\S+|r=\d+;t=\d+", "", text)


def without_values(sql: str) -> str:
    """A statement without the values in it."""
    return re.sub(r"'[^']*'|\b[0-9]+\b|\bs[0-9]+_x[0-9]+\b", "?", sql)


def test_the_admins_search_shows_staff_what_they_may_see(world: World) -> None:
    helper = factories.person("helper@example.org")
    User.objects.filter(id=helper.id).update(is_staff=True)
    helper.user_permissions.add(*Permission.objects.filter(codename__in=["view_workspace", "change_workspace"]))
    search = "/admin/autocomplete/?app_label=accounts&model_name=membership&field_name=user&term=owner@"
    browser = factories.browser_of(helper)
    answer = browser.get(search)
    assert answer.status_code == 403
    assert "@secret.example" not in told(answer)
    helper.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert "@secret.example" in told(factories.browser_of(helper).get(search))


def test_the_admins_search_is_for_staff(world: World) -> None:
    for client in (*world.members.values(), *world.strangers.values()):
        for address in (
            "/admin/",
            "/admin/autocomplete/?app_label=accounts&model_name=membership&field_name=user&term=owner@",
        ):
            answer = client.get(address)
            assert not was_let_in(answer) or answer.status_code == 302
            assert "@secret.example" not in told(answer)
