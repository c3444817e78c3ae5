"""Sign-in through a provider that speaks OpenID Connect: a real one over HTTP, which lies where a test says so."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import redis
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from accounts import bans
from accounts.models import AuditEntry, Membership, User, Visitor
from catalog.models import Model
from generation.models import Generation
from tests import fake_openid
from tests.accounts.factories import PASSWORD, browser_of, code_mailed, person, post_mail, prove_again, sign_in
from tests.accounts.openid import LOGIN, is_refused, is_signed_in, to_the_provider, walk, way_back
from tests.accounts.providers import settings_with
from tests.fake_openid import Claims, FakeOpenID
from tests.generation import factories as generations
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("offered")]


def test_it_works(client: Client, provider: FakeOpenID) -> None:
    assert "Continue with Studio login" in client.get("/account/login/").text
    assert "Studio login" in client.get(LOGIN).text
    answer = walk(client)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    user = User.objects.get()
    assert client.session["_auth_user_id"] == str(user.id)
    assert (user.email, user.has_usable_password()) == ("new@example.org", False)
    assert EmailAddress.objects.get().verified
    assert "by Studio login" in client.get("/account/sessions/").text


def test_the_site_asks_for_no_more_than_it_says(client: Client, provider: FakeOpenID) -> None:
    """PKCE and a nonce each time anew, and nothing that somebody put into a link."""
    tampered = f"{LOGIN}?{urlencode({'scope': 'everything', 'auth_params': 'redirect_uri=https://evil.example'})}"
    for address in (LOGIN, tampered):
        requests.get(to_the_provider(client, address), timeout=PATIENCE_SECONDS)
    first, second = provider.asked
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} <= {"state", "nonce", "code_challenge", "scope"}
    assert set(first["scope"].split()) == set(second["scope"].split()) == {"openid", "profile", "email"}
    assert all(len({first[name], second[name]}) == 2 for name in ("state", "nonce", "code_challenge"))


def test_what_a_visitor_made_comes_along(toy: Model, provider: FakeOpenID) -> None:
    visitor = generations.visitor(credits=500)
    clip = generations.submitted(visitor.workspace)
    browser = browser_of(visitor)
    assert walk(browser).status_code == 302
    clip.refresh_from_db()
    own = Membership.objects.get(user__email="new@example.org")
    assert (clip.workspace_id, own.role, own.workspace.kind) == (visitor.workspace_id, "owner", "personal")
    assert not Visitor.objects.exists()
    assert browser.get(f"/generations/{clip.id}/").status_code == 200


def test_a_second_sign_in_finds_the_same_person_and_brings_the_next_clips(toy: Model, provider: FakeOpenID) -> None:
    walk(Client())
    provider.people["renamed@example.org"] = {"sub": provider.about("new@example.org")["sub"]}
    visitor = generations.visitor(credits=500)
    clip = generations.submitted(visitor.workspace)
    again = browser_of(visitor)
    assert walk(again, "renamed@example.org").status_code == 302  # known by the provider's name, not by the address
    user = User.objects.get()
    assert (again.session["_auth_user_id"], user.email) == (str(user.id), "new@example.org")
    assert Generation.objects.get(id=clip.id).workspace == Membership.objects.get(user=user).workspace


@pytest.mark.parametrize("said", [False, None, "false", "yes", 0])
def test_an_address_that_nobody_proved_opens_and_begins_no_account(
    alice: User, client: Client, provider: FakeOpenID, said: object
) -> None:
    for email in (alice.email, "new@example.org"):
        provider.people[email] = {"email_verified": said}
        answer = walk(client, email)
        assert answer.status_code == 403
        assert "Studio login hasn't verified your email address." in unescape(answer.text)
        assert not is_signed_in(client)
    for purpose in ("redirect", "connect", "anything"):  # no link goes around it
        walk(client, alice.email, f"{LOGIN}?process={purpose}")
        assert not is_signed_in(client)
    assert list(User.objects.all()) == [alice]
    assert not SocialAccount.objects.exists()
    assert alice.check_password(PASSWORD)


def test_a_provider_that_names_no_address_begins_no_account(client: Client, provider: FakeOpenID) -> None:
    provider.people["new@example.org"] = {"email": None}
    assert walk(client).status_code == 403
    assert not User.objects.exists()


def test_a_proved_address_opens_no_account_unless_the_settings_trust_the_provider(
    alice: User, client: Client, provider: FakeOpenID, offer: Callable[..., None]
) -> None:
    answer = walk(client, "Alice@example.org")
    assert (answer.status_code, "connect the two" in answer.text) == (409, True)
    assert not is_signed_in(client)
    post_mail()
    assert not mail.outbox

    offer(OIDC_TRUST_EMAIL="True")
    provider.people[alice.email] = {"email_verified": False}  # then the provider's word is not needed
    assert walk(client, alice.email).status_code == 302
    assert client.session["_auth_user_id"] == str(alice.id)
    assert alice.check_password(PASSWORD)  # Alice had proved the address to us as well
    assert AuditEntry.objects.filter(event="account.account_connected", actor=alice.email).count() == 1
    post_mail()
    assert mail.outbox[0].to == [alice.email]


def test_a_trusted_provider_takes_an_account_from_whoever_began_it_under_anothers_address(
    client: Client, provider: FakeOpenID, offer: Callable[..., None], valkey: redis.Redis
) -> None:
    offer(OIDC_TRUST_EMAIL="True")
    squatter = Client()
    squatter.post("/account/signup/", {"email": "new@example.org", "password1": PASSWORD})
    valkey.flushdb()  # some minutes later, when another code may be mailed
    assert walk(client)["Location"] == "/account/confirm-email/"
    client.post("/account/confirm-email/", {"code": code_mailed()})
    user = User.objects.get()
    assert client.session["_auth_user_id"] == str(user.id)
    assert not user.has_usable_password()
    sign_in(squatter, user.email)
    assert not is_signed_in(squatter)


def test_somebody_connects_the_two_and_signs_in_by_either(alice: User, client: Client, provider: FakeOpenID) -> None:
    sign_in(client)
    prove_again(client)
    answer = walk(client, "work@example.net", f"{LOGIN}?process=connect")
    assert answer["Location"] == "/account/3rdparty/"
    assert "work@example.net" in client.get("/account/3rdparty/").text
    other = Client()
    assert walk(other, "work@example.net").status_code == 302
    assert other.session["_auth_user_id"] == str(alice.id)


def test_a_second_factor_is_asked_for_after_the_provider_too(alice: User, client: Client, provider: FakeOpenID) -> None:
    from allauth.mfa.totp.internal.auth import TOTP

    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    SocialAccount.objects.create(user=alice, provider="sso", uid=provider.about(alice.email)["sub"])
    assert walk(client, alice.email)["Location"].startswith("/account/2fa/authenticate/")
    assert not is_signed_in(client)


def test_whom_staff_keeps_out_does_not_come_in_this_way(client: Client, visitor: Visitor, alice: User) -> None:
    bans.ban_visitor(visitor, by=person("staff@example.org", is_staff=True), reason="spam")
    answer = walk(browser_of(visitor))
    assert "Sign-up is closed here" in answer.content.decode()
    assert not User.objects.filter(email="new@example.org").exists()


def test_cancelling_there_is_no_error(client: Client, provider: FakeOpenID) -> None:
    state = parse_qs(urlsplit(to_the_provider(client)).query)["state"][0]
    answer = client.get(f"{LOGIN}callback/?error=access_denied&state={state}", follow=True)
    assert answer.status_code == 200
    assert 'href="/account/login/"' in answer.text


def test_a_provider_that_is_away_gets_a_clear_page(client: Client, provider: FakeOpenID) -> None:
    back = way_back(to_the_provider(client), "new@example.org")
    provider.is_broken = True
    answers = [client.post(LOGIN), client.get(back)]
    provider.is_broken = False
    with_keys_away = Client()
    provider.published = {"jwks_uri": "http://127.0.0.1:1/keys"}
    answers.append(walk(with_keys_away))
    for answer in answers:
        assert answer.status_code == 503
        assert "Studio login isn't responding right now." in unescape(answer.text)
    assert not User.objects.exists()


def test_nobody_listening_is_away_too(client: Client, provider: FakeOpenID) -> None:
    provider.shutdown()
    provider.server_close()
    assert client.post(LOGIN).status_code == 503


@pytest.mark.parametrize("lie", [{"issuer": None}, {"token_endpoint": 7}])
def test_a_discovery_document_that_is_none_gets_a_clear_page(client: Client, provider: FakeOpenID, lie: Claims) -> None:
    provider.published = lie
    is_refused(client.post(LOGIN), client)


def test_a_provider_that_is_not_set_has_no_address(client: Client) -> None:
    for address in ("/account/oidc/other/login/", "/account/oidc/other/login/callback/?code=x&state=x"):
        assert client.get(address).status_code == 404


def test_google_is_such_a_provider_and_answers_for_addresses(
    alice: User, client: Client, provider: FakeOpenID, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings_with(monkeypatch, GOOGLE_CLIENT_ID=fake_openid.CLIENT_ID, GOOGLE_CLIENT_SECRET=fake_openid.SECRET)
    google = made["SIGN_IN_PROVIDERS"][0]
    assert google["settings"]["server_url"] == "https://accounts.google.com"
    assert "https://accounts.google.com" in made["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"]
    google["settings"]["server_url"] = provider.url
    provider.redirect_uri = "http://testserver/account/oidc/google/login/callback/"
    settings.SOCIALACCOUNT_PROVIDERS = made["SOCIALACCOUNT_PROVIDERS"]

    login = "/account/oidc/google/login/"
    provider.people["bob@example.org"] = {"email_verified": False}
    person("bob@example.org")
    assert walk(client, "bob@example.org", login).status_code == 403
    assert walk(client, alice.email, login).status_code == 302
    assert client.session["_auth_user_id"] == str(alice.id)
    assert SocialAccount.objects.get().provider == "google"


@pytest.mark.parametrize(
    "variables",
    [
        {"OIDC_CLIENT_ID": "x"},
        {"OIDC_SERVER_URL": "https://login.example"},
        {"OIDC_SERVER_URL": "https://login.example", "OIDC_CLIENT_ID": "x"},
        {"GOOGLE_CLIENT_ID": "x"},
    ],
    ids=str,
)
def test_half_a_provider_refuses_to_start(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("OIDC_SERVER_URL", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ImproperlyConfigured, match="belong together"):
        settings_with(monkeypatch, **variables)


def test_a_provider_without_encryption_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match=r"OIDC_SERVER_URL.*https"):
        settings_with(monkeypatch, OIDC_SERVER_URL="http://login.example")
