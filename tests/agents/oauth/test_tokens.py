"""Codes and tokens: each counts once, for whoever asked, and for as long as it lasts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Token
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, User, Workspace
from accounts.oauth import connections
from tests.agents.oauth.conftest import (
    Walk,
    lapse,
    me,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_code_counts_once_and_one_that_comes_again_ends_the_connection(walk: Walk, studio: Workspace) -> None:
    code = walk.code(studio)
    given = walk.exchange(code).json()
    assert me(given["access_token"]).status_code == 200
    again = walk.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert me(given["access_token"]).json()["code"] == "disconnected"
    assert walk.refresh(given["refresh_token"]).status_code == 400


def test_a_refresh_token_counts_once_and_one_that_comes_again_ends_the_connection(
    walk: Walk, studio: Workspace
) -> None:
    first = walk.tokens(studio)
    second = walk.refresh(first["refresh_token"]).json()
    assert me(second["access_token"]).status_code == 200
    assert walk.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert me(second["access_token"]).status_code == 401
    assert walk.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_is_known_to_have_been_used_however_long_ago(walk: Walk, studio: Workspace) -> None:
    first = walk.tokens(studio)
    last = first
    for _ in range(2):
        last = walk.refresh(last["refresh_token"]).json()
    cache.clear()
    assert me(last["access_token"]).status_code == 200
    assert walk.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert me(last["access_token"]).json()["code"] == "disconnected"


def test_nobody_ends_a_connection_with_a_token_that_it_never_had(walk: Walk, studio: Workspace) -> None:
    given = walk.tokens(studio)
    key, text = ApiKey.objects.get(), given["refresh_token"]
    for forged in (f"{key.id}.x", f"{key.id}.x.x", f"{text}x", f"{text[:-1]}", "", "x.y.z"):
        assert walk.refresh(forged).status_code == 400
    Token.objects.filter(type=Token.Type.REFRESH_TOKEN).update(expires_at=timezone.now())
    assert walk.refresh(text).json()["error"] == "invalid_grant"  # it lapsed, and was not used
    assert me(given["access_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["code", "refresh token"])
def test_of_the_same_proof_sent_at_once_one_counts(walk: Walk, studio: Workspace, kind: str) -> None:
    proof = walk.code(studio) if kind == "code" else walk.tokens(studio)["refresh_token"]

    def send(_: int) -> int:
        try:
            return int((walk.exchange(proof) if kind == "code" else walk.refresh(proof)).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [200, 400, 400, 400]
    assert not ApiKey.objects.live().exists()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:33418/elsewhere"}, "invalid_request"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
    ],
)
def test_a_code_is_nothing_without_what_it_was_asked_with(
    walk: Walk, studio: Workspace, said: dict[str, str], error: str
) -> None:
    code = walk.code(studio)
    assert walk.exchange(**{"code": code, **said}).json()["error"] == error
    assert not Token.objects.exists()
    assert walk.exchange(code).status_code == 200


def test_a_code_that_comes_late_connects_nothing(walk: Walk, studio: Workspace) -> None:
    code = walk.code(studio)
    ApiKey.objects.update(expires_at=timezone.now())
    assert walk.exchange(code).json()["error"] == "invalid_grant"


def test_what_others_write_into_valkey_connects_nothing(walk: Walk, studio: Workspace) -> None:
    """Neither a code that nobody agreed to, nor one whose proof was exchanged for another, nor one that was used."""
    code = walk.code(studio)
    noted = f"allauth.idp.oidc.authorization_code[{walk.client_id}:"
    agreed, kept = cache.get(f"{noted}{code}]"), cache.get(connections._code_name(connections._digest(code)))
    for name, value in ((f"{noted}forged]", agreed), (connections._code_name(connections._digest("forged")), kept)):
        cache.set(name, value)
    assert walk.exchange("forged").json()["error"] == "invalid_grant"
    theirs = {"code_challenge": connections._challenge("w" * 64), "code_challenge_method": "S256"}
    cache.set(f"{noted}{code}]", agreed | {"pkce": theirs})
    assert walk.exchange(code, code_verifier="w" * 64).json()["error"] == "invalid_grant"
    cache.set(f"{noted}{code}]", agreed)
    assert walk.exchange(code).status_code == 200
    cache.set(f"{noted}{code}]", agreed)
    cache.set(connections._code_name(connections._digest(code)), kept)
    assert walk.exchange(code).json()["error"] == "invalid_grant"


def test_a_token_ends_with_its_time_and_with_its_connection(walk: Walk, studio: Workspace, owner: User) -> None:
    given = walk.tokens(studio)
    lapse()
    assert me(given["access_token"]).json()["code"] == "invalid_token"
    renewed = walk.refresh(given["refresh_token"]).json()
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert me(renewed["access_token"]).status_code == 401
    assert walk.refresh(renewed["refresh_token"]).status_code == 400


def test_a_token_for_less_does_less(walk: Walk, studio: Workspace) -> None:
    wide = walk.tokens(studio)
    said = {"grant_type": "refresh_token", "refresh_token": wide["refresh_token"], "client_id": walk.client_id}
    narrow = walk.app.post("/oauth/token", {**said, "scope": "read"}).json()
    assert narrow["scope"] == "read"
    program = Client(headers={"Authorization": f"Bearer {narrow['access_token']}"})
    assert program.get("/v1/videos").status_code == 200
    refused = program.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
