"""Apps make themselves known, and name where they are sent back to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Client as App
from allauth.idp.oidc.models import Token
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings

from accounts import passwords
from accounts.models import Workspace
from accounts.oauth import connections
from loremotion.settings import sign_in as real
from tests.agents.oauth.conftest import (
    BACK,
    Walk,
    lapse,
)

pytestmark = pytest.mark.django_db(transaction=True)


REDIRECTS: dict[str, dict[str, int]] = {
    BACK: {
        BACK: 200,
        "http://127.0.0.1:5000/callback": 200,  # whichever is free when the app is opened (RFC 8252)
        "http://127.0.0.1/callback": 200,
        f"{BACK}?more=1": 400,
        "http://127.0.0.1:99999/callback": 400,
        "http://127.0.0.1:x/callback": 400,
        "http://me@127.0.0.1:33418/callback": 400,
    },
    "http://[::1]:1/callback": {"http://[::1]:2/callback": 200},
    "http://localhost:1/callback": {"http://localhost:2/callback": 400},
    "https://app.example/back": {
        "https://app.example/back?more=1": 400,
        "https://app.example:444/back": 400,
        "https://app.example:99999/back": 400,
    },
    "https://app.example/back?one=1": {
        "https://app.example/back?one=1": 200,
        "https://app.example/back?one=1&two=2": 400,
    },
}
"""Registered address → those that are asked for, each with the status of the page."""


def test_a_redirect_is_one_that_was_registered(walk: Walk, studio: Workspace, subtests: pytest.Subtests) -> None:
    for registered, every in REDIRECTS.items():
        walk.client_id = walk.register(redirect_uris=[registered]).json()["client_id"]
        for asked, status in every.items():
            with subtests.test(registered=registered, asked=asked):
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
