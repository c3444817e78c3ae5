"""The page on which somebody types a device's code: what it asks and tells before anything is agreed to."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from accounts import api_keys, device_login, limits
from accounts.models import ApiKey, Membership, Workspace
from accounts.roles import Role, Scope
from tests.accounts import factories as people
from tests.generation.device_logins import PAGE, agreed, begun, browser, claimed, owner, studio

__all__ = ("browser", "owner", "studio")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


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
    monkeypatch.setattr(limits, "WRONG_CODES_PER_HOUR_OF_NETWORK", 4)
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
    assert of_bob.get(PAGE, {"code": login["user_code"]}).status_code == 200, "one person shuts out no network"
    for code in ("BBBB-BBBB", "CCCC-CCCC"):
        assert of_bob.get(PAGE, {"code": code}).status_code == 404
    carol = people.person("carol@example.org")
    Membership.objects.create(workspace=studio, user=carol, role=Role.ADMIN)
    of_carol = people.browser_of(carol, studio)
    assert of_carol.get(PAGE, {"code": login["user_code"]}).status_code == 429, "too many came from there"
    assert of_carol.get(PAGE, {"code": login["user_code"]}, REMOTE_ADDR="198.51.100.1").status_code == 200


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


def test_what_a_program_calls_itself_is_text(browser: Client) -> None:
    login = begun("<script>alert(1)</script>")
    assert "<script>alert(1)" not in browser.get(PAGE, {"code": login["user_code"]}).text
