"""Nobody is signed in by a token or a callback that is forged, meant for another, or used before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from django.test import Client

from accounts.models import User
from tests import fake_openid
from tests.accounts.openid import LOGIN, is_refused, to_the_provider, walk, way_back
from tests.fake_openid import Claims, FakeOpenID

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("offered")]


def another_key(provider: FakeOpenID) -> Callable[[Claims], str]:
    stolen = fake_openid.new_key()
    return lambda claims: jwt.encode(claims, stolen, algorithm="RS256", headers={"kid": fake_openid.KEY_ID})


def unsigned(provider: FakeOpenID) -> Callable[[Claims], str]:
    return lambda claims: jwt.encode(claims, "", algorithm="none", headers={"kid": fake_openid.KEY_ID})


def by_our_secret(provider: FakeOpenID) -> Callable[[Claims], str]:
    return lambda claims: jwt.encode(
        claims, fake_openid.SECRET * 2, algorithm="HS256", headers={"kid": fake_openid.KEY_ID}
    )


def by_an_unknown_key(provider: FakeOpenID) -> Callable[[Claims], str]:
    return lambda claims: jwt.encode(claims, provider.key, algorithm="RS256", headers={"kid": "key-9"})


def of_no_key(provider: FakeOpenID) -> Callable[[Claims], str]:
    return lambda claims: jwt.encode(claims, provider.key, algorithm="RS256")


def garbage(provider: FakeOpenID) -> Callable[[Claims], str]:
    return lambda claims: "not.a.token"


def absent(provider: FakeOpenID) -> Callable[[Claims], None]:
    return lambda claims: None


def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(provider: FakeOpenID, subtests: pytest.Subtests) -> None:
    for sign in (another_key, unsigned, by_our_secret, by_an_unknown_key, of_no_key, garbage, absent):
        with subtests.test(sign=sign.__name__):
            provider.sign, browser = sign(provider), Client()
            is_refused(walk(browser), browser)
    provider.sign = provider.signed
    assert walk(Client()).status_code == 302


LIES: tuple[Claims, ...] = (
    {"aud": "another client"},
    {"aud": [fake_openid.CLIENT_ID, "another client"], "azp": "another client"},
    {"aud": [fake_openid.CLIENT_ID, "another client"]},
    {"iss": "https://another.example"},
    {"nonce": "another"},
    {"nonce": "änother"},
    {"nonce": None},
    {"exp": 1_000_000_000},
    {"iat": 4_000_000_000, "exp": 4_000_000_300},
    {"sub": ""},
    {"sub": 7},
    {"sub": "x" * 192},
    {"sub": None},
)


def told(lie: Claims, claims: Claims) -> Claims:
    """The claims with the lie among them; where that is None, without them."""
    return {name: value for name, value in (claims | lie).items() if value is not None}


def test_a_token_for_somebody_or_something_else_lets_nobody_in(provider: FakeOpenID, subtests: pytest.Subtests) -> None:
    for lie in LIES:
        with subtests.test(lie=lie):
            provider.spoil, browser = partial(told, lie), Client()
            is_refused(walk(browser), browser)
    provider.spoil = partial(told, {})
    assert walk(Client()).status_code == 302


def test_userinfo_about_somebody_else_lets_nobody_in(client: Client, provider: FakeOpenID) -> None:
    provider.userinfo = {"sub": "another", "email": "another@example.org"}
    is_refused(walk(client), client)


def test_a_provider_without_userinfo_is_believed_by_its_token(client: Client, provider: FakeOpenID) -> None:
    provider.published = {"userinfo_endpoint": None}
    assert walk(client).status_code == 302
    assert User.objects.get().email == "new@example.org"


def test_a_walk_that_another_browser_began_ends_nowhere(client: Client, provider: FakeOpenID) -> None:
    """Otherwise somebody could sign others in as themselves, and see what they make."""
    back = way_back(to_the_provider(Client()), "new@example.org")
    is_refused(client.get(back), client)


def test_a_way_back_works_once(client: Client, provider: FakeOpenID) -> None:
    back = way_back(to_the_provider(client), "new@example.org")
    assert client.get(back).status_code == 302
    client.post("/account/logout/")
    is_refused(client.get(back), client, people=1)


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x&code=x", "?error=server_error&state=x"])
def test_a_way_back_that_nobody_asked_for_is_refused(client: Client, query: str) -> None:
    is_refused(client.get(f"{LOGIN}callback/{query}"), client)


def test_a_code_that_the_provider_does_not_know_is_refused(client: Client, provider: FakeOpenID) -> None:
    state = parse_qs(urlsplit(to_the_provider(client)).query)["state"][0]
    is_refused(client.get(f"{LOGIN}callback/?{urlencode({'state': state, 'code': 'made up'})}"), client)
