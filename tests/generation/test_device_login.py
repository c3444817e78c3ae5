"""A program without a browser gets a key once somebody signed in agrees, and nobody else's way."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from accounts import audit, device_login, members
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from accounts.roles import Role
from catalog.models import Model
from loremotion.refusals import Conflict, Forbidden
from tests.accounts import factories as people
from tests.generation.device_logins import PAGE, address_of, agreed, begun, browser, claimed, owner, studio
from tests.generation.test_reference import complaints, contract

__all__ = ("browser", "contract", "owner", "studio")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


def away(*asked: Any) -> Any:
    raise redis.ConnectionError


def fails(*asked: Any, **named: Any) -> None:
    raise OperationalError


def test_whoever_agrees_gives_the_program_a_key_once(
    browser: Client, studio: Workspace, contract: dict[str, Any]
) -> None:
    login = begun()
    assert claimed(login)["status"] == "pending"
    asked = browser.post(PAGE, {"code": login["user_code"].lower().replace("-", " ")}).text
    assert "A program that calls itself <q>loremotion on laptop</q> asks for an API key of Studio" in asked
    assert not ApiKey.objects.exists(), "looking agrees to nothing"
    assert browser.post(PAGE, agreed(login)).status_code == 302
    given = claimed(login)
    assert (given["status"], given["scopes"]) == ("approved", ["read", "generate"])
    assert claimed(login)["status"] == "expired"
    key = ApiKey.objects.get()
    assert (key.workspace, key.name, key.daily_cap_credits) == (studio, "laptop", 50)
    me = Client(headers={"Authorization": f"Bearer {given['api_key']}"}).get("/v1/me").json()
    assert me["workspace"]["name"] == "Studio"
    assert AuditEntry.objects.filter(workspace=studio, event="key.issued", subject=key.prefix).exists()
    for said in (login, given):
        assert complaints(contract, "DeviceLogin", said) == []


def test_a_login_that_is_denied_gets_nothing(browser: Client) -> None:
    login = begun()
    browser.post(PAGE, {"code": login["user_code"], "decision": "deny"})
    assert [claimed(login)["status"] for _ in range(2)] == ["denied", "expired"]
    assert not ApiKey.objects.exists()


def test_nothing_of_the_key_or_of_the_programs_code_is_kept(browser: Client, valkey: redis.Redis) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    kept: list[Any] = list(valkey.scan_iter("device-login*"))
    values: list[Any] = [valkey.get(name) for name in kept]
    everything = b" ".join([*kept, *values])
    assert kept
    assert all(0 < valkey.ttl(name) <= device_login.LASTS_SECONDS for name in kept)
    assert login["device_code"].encode() not in everything
    assert b"lm_live" not in everything
    claimed(login)
    assert list(valkey.scan_iter("device-login*")) == []


def test_of_two_who_decide_the_first_has(browser: Client, studio: Workspace) -> None:
    login, place = begun(), studio.memberships.get(role=Role.OWNER)
    device_login.decide(login["user_code"], by=place, terms=None)
    with pytest.raises(Conflict):
        device_login.decide(login["user_code"], by=place, terms=None)
    assert browser.post(PAGE, agreed(login)).status_code == 404
    assert claimed(login)["status"] == "denied"


def test_a_decision_that_others_write_into_valkey_gives_no_key(studio: Workspace, valkey: redis.Redis) -> None:
    terms = {"name": "x", "scopes": ["admin"], "daily_cap_credits": None, "monthly_cap_credits": None}
    decided = {"status": "approved", "by": studio.memberships.get().id, "terms": {**terms, "expires_at": None}}
    valkey.set(address_of("made up"), json.dumps({"name": "x", **decided}))
    assert claimed({"device_code": "made up"})["status"] == "expired"
    assert not ApiKey.objects.exists()


def test_a_decision_about_one_device_gives_no_other_a_key(browser: Client, valkey: redis.Redis) -> None:
    first, other = begun(), begun()
    browser.post(PAGE, agreed(first))
    valkey.copy(address_of(first["device_code"]), address_of(other["device_code"]), replace=True)
    assert claimed(other)["status"] == "expired"
    assert not ApiKey.objects.exists()


def test_a_code_leads_to_the_device_that_shows_it_alone(browser: Client, valkey: redis.Redis) -> None:
    shown, other = begun(), begun("of somebody else")
    valkey.set(f"device-login:code:{shown['user_code'].replace('-', '')}", address_of(other["device_code"]))
    assert browser.get(PAGE, {"code": shown["user_code"]}).status_code == 404
    assert browser.post(PAGE, agreed(shown)).status_code == 404
    assert claimed(other)["status"] == "pending"


def test_the_code_that_people_type_claims_no_key(browser: Client) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    assert claimed({"device_code": login["user_code"]})["status"] == "expired"
    assert claimed(login)["status"] == "approved"


def test_a_right_that_was_taken_away_meanwhile_counts(studio: Workspace) -> None:
    bob = people.person("bob@example.org")
    place = Membership.objects.create(workspace=studio, user=bob, role=Role.ADMIN)
    login = begun()
    people.browser_of(bob, studio).post(PAGE, agreed(login))
    owner = studio.memberships.get(role=Role.OWNER)
    members.change(membership=place, by=owner, role=Role.MEMBER, monthly_cap_credits=None, daily_cap_credits=None)
    with pytest.raises(Forbidden):
        device_login.claim(login["device_code"])
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("field", "code"), [("suspended_at", "workspace_suspended"), ("closed_at", "workspace_closing")]
)
def test_a_workspace_that_is_suspended_or_closing_by_now_gives_no_key(
    browser: Client, studio: Workspace, field: str, code: str
) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    Workspace.objects.filter(id=studio.id).update(**{field: timezone.now()})
    assert claimed(login)["code"] == code
    assert not ApiKey.objects.exists()


def test_who_may_not_sign_in_any_more_gives_no_key(browser: Client, owner: User) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    User.objects.filter(id=owner.id).update(is_active=False)
    assert claimed(login)["code"] == "role_forbids"
    assert not ApiKey.objects.exists()


def test_who_has_left_gives_nothing(studio: Workspace) -> None:
    bob = people.person("bob@example.org")
    place = Membership.objects.create(workspace=studio, user=bob, role=Role.ADMIN)
    login = begun()
    people.browser_of(bob, studio).post(PAGE, agreed(login))
    members.remove(membership=place, by=place)
    assert claimed(login)["status"] == "denied"
    assert not ApiKey.objects.exists()


def test_a_claim_that_fails_can_be_made_again(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    with monkeypatch.context() as broken:
        broken.setattr(audit, "record", fails)  # once the key's row is written
        with pytest.raises(OperationalError):
            device_login.claim(login["device_code"])
    assert not ApiKey.objects.exists()
    assert claimed(login)["status"] == "approved"


def test_an_agreement_that_stays_or_comes_back_gives_no_second_key(browser: Client, valkey: redis.Redis) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    noted = valkey.get(address_of(login["device_code"]))
    assert claimed(login)["status"] == "approved"
    assert isinstance(noted, bytes)
    valkey.set(address_of(login["device_code"]), noted)
    assert claimed(login)["status"] == "expired"
    ApiKey.objects.update(revoked_at=timezone.now())
    valkey.set(address_of(login["device_code"]), noted)
    assert claimed(login)["status"] == "expired"
    assert ApiKey.objects.count() == 1


def test_a_key_is_told_though_valkey_goes_away_once_it_is_made(
    browser: Client, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = begun()
    browser.post(PAGE, agreed(login))
    monkeypatch.setattr(valkey, "delete", away)
    monkeypatch.setattr(device_login, "connection", lambda: valkey)
    assert claimed(login)["status"] == "approved"


@pytest.mark.django_db(transaction=True)
def test_of_claims_that_race_one_has_the_key(browser: Client) -> None:
    login, start = begun(), threading.Barrier(2)
    browser.post(PAGE, agreed(login))

    def claim() -> device_login.Status:
        try:
            start.wait(60)
            return device_login.claim(login["device_code"]).status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        ended = [claiming.result(60) for claiming in [threads.submit(claim) for _ in range(2)]]
    assert sorted(ended) == ["approved", "expired"]
    assert ApiKey.objects.count() == 1


def test_while_valkey_is_away_it_is_said(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_login, "connection", away)
    answer = Client().post("/v1/device_logins", {"name": "x"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (503, "login_unavailable")
