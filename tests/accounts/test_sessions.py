"""Where somebody is signed in, and how one of these places is signed out."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
import time_machine
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts import sessions, visitors
from accounts.models import AuditEntry, User
from catalog.models import Model
from tests.accounts.factories import browser_of, sign_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def laptop(alice: User) -> Client:
    browser = Client(headers={"User-Agent": FIREFOX})
    sign_in(browser)
    return browser


@pytest.fixture
def telephone(alice: User) -> Client:
    browser = Client(headers={"User-Agent": IPHONE})
    sign_in(browser)
    return browser


def row_of(browser: Client) -> UserSession:
    return UserSession.objects.get(session_key=browser.session.session_key)


def is_signed_in(browser: Client) -> bool:
    return browser.get("/account/email/").status_code == 200


def test_it_works(laptop: Client, telephone: Client) -> None:
    page = laptop.get("/account/sessions/").text
    assert page.index("Firefox on Linux") < page.index("this one") < page.index("Mobile Safari on iOS")
    assert page.count("by password") == 2
    assert page.count("network of 127.0.0.0") == 2  # the network, not the address
    assert laptop.post(f"/account/sessions/{row_of(telephone).pk}/end/").status_code == 302
    assert not is_signed_in(telephone)
    assert is_signed_in(laptop)
    assert "iOS" not in laptop.get("/account/sessions/").text
    entry = AuditEntry.objects.get(event="session.ended")
    assert (entry.actor, entry.subject) == ("alice@example.org", "Mobile Safari on iOS")


def test_signing_in_begins_a_session_that_nobody_knew_before(alice: User, client: Client) -> None:
    """Whoever has put a session into a browser is not signed in with it."""
    planted = client.session
    planted["theme"] = "dark"
    planted.save()
    assert planted.session_key is not None
    client.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key
    sign_in(client)
    assert client.session["_auth_user_id"] == str(alice.id)
    assert client.session.session_key != planted.session_key
    assert not planted.exists(planted.session_key)


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(laptop: Client, toy: Model, client: Client) -> None:
    client.post("/generations/", {"prompt": "a fox", "model": toy.slug})
    for cookie in (laptop.cookies[settings.SESSION_COOKIE_NAME], client.cookies[visitors.COOKIE]):
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert laptop.cookies[settings.CSRF_COOKIE_NAME]["samesite"] == "Lax"


def test_all_others_are_signed_out_at_once(laptop: Client, telephone: Client) -> None:
    third = Client()
    sign_in(third)
    assert laptop.post("/account/sessions/").status_code == 302
    assert [is_signed_in(browser) for browser in (laptop, telephone, third)] == [True, False, False]
    assert UserSession.objects.count() == 1


def test_ending_this_one_is_signing_out(laptop: Client, telephone: Client) -> None:
    here = row_of(laptop).pk
    assert laptop.post(f"/account/sessions/{here}/end/")["Location"] == "/"
    assert not is_signed_in(laptop)
    assert is_signed_in(telephone)
    assert not UserSession.objects.filter(pk=here).exists()


def test_nobody_ends_anothers(laptop: Client, bob: User) -> None:
    assert browser_of(bob).post(f"/account/sessions/{row_of(laptop).pk}/end/").status_code == 404
    assert is_signed_in(laptop)


def test_when_it_was_seen_is_noted_now_and_then(laptop: Client, telephone: Client, valkey: redis.Redis) -> None:
    laptop.get("/account/")
    first = row_of(laptop).last_seen_at
    laptop.get("/account/")
    assert row_of(laptop).last_seen_at == first
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        valkey.flushdb()  # which forgets in its own time, not in this test's
        laptop.get("/account/")
        assert row_of(laptop).last_seen_at > first + timedelta(minutes=10)


def test_without_valkey_people_stay_signed_in(laptop: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(sessions, "connection", lambda: away)
    assert laptop.get("/account/sessions/").status_code == 200


def test_what_a_new_password_or_time_has_ended_is_not_listed(laptop: Client, telephone: Client, alice: User) -> None:
    alice.set_password("quite another secret")
    alice.save(update_fields=["password"])
    sign_in(laptop, password="quite another secret")
    page = laptop.get("/account/sessions/").text
    assert "Firefox" in page
    assert "iOS" not in page


def test_the_list_costs_the_same_however_long_it_is(laptop: Client, alice: User) -> None:
    for _ in range(2):  # the day's allowance is given, then found, and remembered
        laptop.get("/account/sessions/")
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            laptop.get("/account/sessions/")
        counts.append(len(queries))
        for _ in range(3):
            sign_in(Client())
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("user_agent", "name"), [("", "Unknown browser"), ("curl/8.5.0", "curl"), ("\x00" * 300, "Unknown browser")]
)
def test_what_says_little_is_called_little(user_agent: str, name: str) -> None:
    assert sessions.device_named_by(user_agent) == name
