"""``GET /v1/me``: whose key it is, and what is left."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import api_keys
from accounts.models import User, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger, statements
from catalog.models import Model
from tests.accounts import factories as people
from tests.generation.test_reference import complaints, contract

__all__ = ("contract",)


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    made = people.team(owner, "Studio")
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=400, kind=ledger.LotKind.PACK)
    return made


def program(studio: Workspace, owner: User, *scopes: str, cap: int | None = None) -> Client:
    _, text = api_keys.issue(
        workspace=studio,
        by=owner,
        allowed=BY_ROLE[Role.OWNER],
        name="ci",
        scopes=list(scopes),
        monthly_cap_credits=cap,
    )
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_a_key_learns_what_is_left_of_its_cap(studio: Workspace, owner: User, contract: dict[str, object]) -> None:
    client = program(studio, owner, "generate", cap=50)
    made = client.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json").json()
    me = client.get("/v1/me").json()
    held = made["lm"]["cost"]["held"]
    assert me["cap"] == {"monthly_credits": 50, "spent": held, "left": 50 - held}
    assert (me["workspace"]["name"], me["key"]["name"], me["key"]["scopes"]) == ("Studio", "ci", ["generate"])
    assert me["credits"] is None, "its scope says nothing of credits"
    assert "billing-read" in me["credits_hidden"]
    assert complaints(contract, "Me", me) == []


def test_a_key_that_may_see_credits_is_told_what_the_ledger_says(
    studio: Workspace, owner: User, contract: dict[str, object]
) -> None:
    client = program(studio, owner, "generate", "billing-read")
    client.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    me = client.get("/v1/me").json()
    kept = statements.balance(account=studio.id)
    assert me["credits"] == {"available": kept.available, "held": kept.held, "owed": kept.debt}
    assert kept.held > 0
    assert me["cap"] is None
    assert complaints(contract, "Me", me) == []


def test_whoever_forgot_their_key_is_told_so(toy: Model) -> None:
    assert Client().get("/v1/me").status_code == 401
