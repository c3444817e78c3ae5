"""A program without a browser gets a key once somebody signed in agrees, and nobody else's way."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from accounts import api_keys, audit, device_login, limits, members
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from accounts.roles import Role, Scope
from catalog.models import Model
from loremotion.refusals import Conflict, Forbidden
from tests.accounts import factories as people
from tests.generation.test_reference import complaints, contract

__all__ = ("contract",)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

PAGE = "/workspace/keys/device/"
TERMS = {"name": "laptop", "scopes": ["read", "generate"], "daily_cap_credits": "50", "decision": "connect"}


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    return people.team(owner, "Studio")


@pytest.fixture
def browser(owner: User, studio: Workspace) -> Client:
    return people.browser_of(owner, studio)


def begun(name: str = "loremotion on laptop", **meta: Any) -> Any:
    answer = Client().post("/v1/device_logins", {"name": name}, content_type="application/json", **meta)
    assert answer.status_code == 200, answer.content
    return answer.json()


def away(*asked: Any) -> Any:
    raise redis.ConnectionError


def fails(*asked: Any, **named: Any) -> None:
    raise OperationalError


def agreed(login: Any) -> dict[str, Any]:
    """The form by which somebody agrees."""
    return {**TERMS, "code": login["user_code"], "ending": login["user_code"][-4:]}


def claimed(login: Any) -> Any:
    body = {"device_code": login["device_code"]}
    return Client().post("/v1/device_logins/claim", body, content_type="application/json").json()


def address_of(device_code: str) -> str:
    return f"device-login:{hashlib.sha256(device_code.encode()).hexdigest()}"


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


@pytest.mark.parametrize("code", ["BCDF-GHJK", "x", "*", "\0", "B" * 4_000])
def test_a_code_that_no_device_shows_is_told_to_be_none(browser: Client, code: str) -> None:
    answer = browser.get(PAGE, {"code": code})
    assert answer.status_code == 404
    assert "No device is waiting with the code" in answer.text


def test_a_link_with_the_code_is_no_proof_that_its_device_is_at_hand(browser: Client) -> None:
    login = begun()
    code = login["user_code"]
    page = browser.get(PAGE, {"code": code}).text
    assert 'name="ending"' in page
    assert f'value="{code[-4:]}"' not in page
    for wrong in ("", code[:4] if code[:4] != code[-4:] else "x"):
        answer = browser.post(PAGE, {**agreed(login), "ending": wrong})
        assert answer.status_code == 422
        assert claimed(login)["status"] == "pending"
    assert browser.post(PAGE, {**agreed(login), "ending": code[-4:].lower()}).status_code == 302
    assert claimed(login)["status"] == "approved"


def test_whoever_typed_the_whole_code_types_no_part_again(browser: Client) -> None:
    code = begun()["user_code"]
    field = re.search(r'<input[^>]*name="ending"[^>]*>', browser.post(PAGE, {"code": code}).text)
    assert field is not None
    assert 'type="hidden"' in field[0]
    assert f'value="{code[-4:]}"' in field[0]


def test_a_program_is_given_little_unless_somebody_says_so(browser: Client) -> None:
    page = browser.get(PAGE, {"code": begun()["user_code"]}).text
    ticked = {scope for scope in Scope.values if re.search(rf'value="{scope}"[^>]* checked', page)}
    assert ticked == {Scope.READ, Scope.GENERATE}
    until = re.search(r'<input[^>]*value="([0-9-]+)"[^>]*name="expires_on"|name="expires_on" value="([0-9-]+)"', page)
    assert until is not None, "a key that nobody thinks of any more ends"


@pytest.mark.parametrize(("address", "says"), [("192.0.2.9", "your network"), ("198.51.100.1", "another network")])
def test_the_page_says_from_where_and_when_it_was_begun(browser: Client, address: str, says: str) -> None:
    before = timezone.now()
    login = begun(REMOTE_ADDR="192.0.2.1")
    after = timezone.now()
    page = browser.get(PAGE, {"code": login["user_code"]}, REMOTE_ADDR=address).text
    told = re.search(r'begun <time datetime="([^"]+)"[^>]*>[^<]+</time>, from (?:<strong>)?([a-z ]+)', page)
    assert told is not None
    assert before <= datetime.fromisoformat(told[1]) <= after
    assert told[2] == says


@pytest.mark.parametrize("name", ["\N{RIGHT-TO-LEFT OVERRIDE}evil", "two\nlines", "a\x1b[2J", "\N{ZERO WIDTH SPACE}"])
def test_a_name_that_could_look_like_something_else_is_refused(name: str) -> None:
    answer = Client().post("/v1/device_logins", {"name": name}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "name")


def test_guesses_of_codes_are_counted_for_whoever_makes_them(
    browser: Client, studio: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WRONG_CODES_PER_HOUR", 2)
    login = begun()
    for _ in range(3):
        assert browser.get(PAGE, {"code": login["user_code"]}).status_code == 200, "a right one is no guess"
    assert browser.get(PAGE, {"code": "BBBB-BBBB"}).status_code == 404
    assert browser.post(PAGE, {"code": "CCCC-CCCC"}).status_code == 404
    refused = browser.get(PAGE, {"code": login["user_code"]})
    assert (refused.status_code, refused.headers["Retry-After"].isdigit()) == (429, True), (
        "nor is it told which is right"
    )
    assert browser.post(PAGE, agreed(login)).status_code == 429
    assert browser.get(PAGE, {"code": login["user_code"]}, REMOTE_ADDR="192.0.2.1").status_code == 429
    assert claimed(login)["status"] == "pending"
    bob = people.person("bob@example.org")
    Membership.objects.create(workspace=studio, user=bob, role=Role.ADMIN)
    of_bob = people.browser_of(bob, studio)
    assert of_bob.get(PAGE, {"code": login["user_code"]}).status_code == 429, "nor from the same network"
    assert of_bob.get(PAGE, {"code": login["user_code"]}, REMOTE_ADDR="198.51.100.1").status_code == 200


def test_no_two_devices_show_the_same_code(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("B" * 16 + "C" * 8)
    chance = SimpleNamespace(choice=lambda alphabet: next(letters), token_urlsafe=secrets.token_urlsafe)
    monkeypatch.setattr(device_login, "secrets", chance)
    first, second = begun("first"), begun("second")
    assert [first["user_code"], second["user_code"]] == ["BBBB-BBBB", "CCCC-CCCC"]
    assert "<q>first</q>" in browser.get(PAGE, {"code": "BBBB-BBBB"}).text


def test_who_does_not_manage_keys_connects_nothing(studio: Workspace) -> None:
    bob = people.person("bob@example.org")
    Membership.objects.create(workspace=studio, user=bob, role=Role.MEMBER)
    login = begun()
    assert people.browser_of(bob, studio).post(PAGE, agreed(login)).status_code == 403
    assert Client().get(PAGE, {"code": login["user_code"]}).status_code == 302, "signs in first"
    assert claimed(login)["status"] == "pending"


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


def test_terms_that_cannot_be_are_asked_for_again(browser: Client) -> None:
    login = begun()
    answer = browser.post(PAGE, {"code": login["user_code"], "name": "x", "decision": "connect"})
    assert answer.status_code == 422
    assert claimed(login)["status"] == "pending"


def test_terms_of_which_no_key_is_made_are_refused_on_the_page(browser: Client, studio: Workspace) -> None:
    login = begun()
    answer = browser.post(PAGE, {**agreed(login), "expires_on": "2020-01-01"})
    assert (answer.status_code, "That date has passed" in answer.text) == (422, True)
    keys = [ApiKey(workspace=studio, prefix=f"lm_live_{n}", scopes=["read"]) for n in range(api_keys.MOST_LIVE_KEYS)]
    ApiKey.objects.bulk_create(keys)
    answer = browser.post(PAGE, agreed(login))
    assert (answer.status_code, "50 keys, the limit" in answer.text) == (409, True)
    assert claimed(login)["status"] == "pending"


def test_a_page_promises_no_more_than_will_be(browser: Client) -> None:
    said = browser.post(PAGE, agreed(begun()), follow=True).text
    assert "laptop will be connected in a few seconds" in said


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


def test_what_a_program_calls_itself_is_text(browser: Client) -> None:
    login = begun("<script>alert(1)</script>")
    assert "<script>alert(1)" not in browser.get(PAGE, {"code": login["user_code"]}).text


def test_while_valkey_is_away_it_is_said(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_login, "connection", away)
    answer = Client().post("/v1/device_logins", {"name": "x"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (503, "login_unavailable")
