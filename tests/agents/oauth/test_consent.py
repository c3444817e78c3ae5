"""What somebody is asked before an app is connected, and who is not asked at all."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from allauth.idp.oidc.models import Client as App
from django.test import Client
from mcp.client.auth import OAuthFlowError

from accounts.models import ApiKey, Membership, User, Workspace
from accounts.roles import Role
from tests.accounts import factories as people
from tests.agents.oauth.conftest import (
    BACK,
    Storage,
    Walk,
    connected,
    hidden,
    of_back,
    terms,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_denies_is_not_connected(studio: Workspace, owner: User) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        connected(Storage(), people.browser_of(owner, studio), {"action": "deny"}, lambda agent: agent.list_tools())
    assert caught.group_contains(OAuthFlowError, match="No authorization code")
    assert not ApiKey.objects.exists()


def test_who_manages_no_keys_connects_no_app(walk: Walk, studio: Workspace) -> None:
    viewer = people.person("viewer@example.org")
    Membership.objects.create(workspace=studio, user=viewer, role=Role.VIEWER)
    walk.browser = people.browser_of(viewer, studio)
    answer = walk.agree(studio)
    assert (answer.status_code, "Select a valid choice" in answer.content.decode()) == (422, True)
    assert not ApiKey.objects.exists()


def test_what_an_app_may_not_ask_is_refused(walk: Walk, studio: Workspace) -> None:
    """To the app where it can be told so, and to the person where nobody knows whose address that is."""
    assert of_back(walk.ask(code_challenge=""))["error"] == "invalid_request"
    assert of_back(walk.ask(code_challenge_method="plain"))["error"] == "invalid_request"
    assert of_back(walk.ask(scope="read admin"))["error"] == "invalid_scope"
    assert of_back(walk.ask(response_type="token"))["error"] in ("unauthorized_client", "unsupported_response_type")
    for wrong in (
        {"redirect_uri": "https://elsewhere.example/callback"},
        {"redirect_uri": f"{BACK}/more"},
        {"client_id": "somebody"},
        {"resource": "https://elsewhere.example/mcp"},
    ):
        page = walk.ask(**wrong)
        assert (page.status_code, "can't be connected" in page.content.decode()) == (400, True), wrong
    assert not ApiKey.objects.exists()


def test_nobody_is_connected_unasked(walk: Walk, studio: Workspace) -> None:
    walk.tokens(studio)
    App.objects.update(skip_consent=True)
    assert walk.ask(prompt="none").status_code == 200
    assert (
        Client()
        .get("/oauth/authorize/?" + urlencode(walk.asked(prompt="none")))["Location"]
        .startswith("/account/login/")
    )
    page = walk.ask()
    said = {**hidden(page.content.decode()), **terms(studio)}
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = walk.browser.cookies
    assert forger.post("/oauth/authorize/", {**said, "csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert walk.browser.post("/oauth/authorize/", {**said, "request": "forged:x"}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_the_page_says_who_asks_and_lets_its_form_lead_back(walk: Walk, studio: Workspace) -> None:
    page = walk.ask()
    text = page.content.decode()
    assert "Fox Agent" in text
    assert "sent back to a program on this device." in text
    policy = dict(part.strip().partition(" ")[::2] for part in page["Content-Security-Policy"].split(";"))
    assert policy["form-action"].split()[-1] == "http://127.0.0.1:33418"


@pytest.mark.parametrize(
    ("redirect", "says", "origin"),
    [
        ("https://app.example:8443/back", "sent back to <strong>app.example</strong>.", "https://app.example:8443"),
        ("cursor://oauth/back", "the app that opens <strong>cursor:</strong> on this device.", "cursor:"),
        ("HTTPS://app.example/back", "sent back to <strong>app.example</strong>.", "https://app.example"),
        ("httpx://app.example/back", "the app that opens <strong>httpx:</strong> on this device.", "httpx:"),
        ("httpx://localhost/back", "the app that opens <strong>httpx:</strong> on this device.", "httpx:"),
        ("http://localhost/back", "sent back to a program on this device.", "http://localhost"),
    ],
)
def test_the_page_says_where_it_leads_back(
    walk: Walk, studio: Workspace, redirect: str, says: str, origin: str
) -> None:
    walk.client_id = walk.register(redirect_uris=[redirect]).json()["client_id"]
    page = walk.ask(redirect_uri=redirect)
    assert says in page.content.decode()
    assert f" {origin};" in f"{page['Content-Security-Policy']};"
    said = {**hidden(page.content.decode()), **terms(studio)}
    back = redirect.replace("HTTPS", "https")
    assert walk.browser.post("/oauth/authorize/", said)["Location"].startswith(f"{back}?")


@pytest.mark.parametrize("redirect", ["https://app.example/back", "HTTPS://app.example/back", "cursor://app.example/"])
def test_an_app_without_a_name_is_called_after_where_it_leads(walk: Walk, studio: Workspace, redirect: str) -> None:
    walk.client_id = walk.register(redirect_uris=[redirect], client_name="").json()["client_id"]
    name = "cursor:" if redirect.startswith("cursor") else "app.example"
    assert f"Connect {name}?" in walk.ask(redirect_uri=redirect).content.decode()
