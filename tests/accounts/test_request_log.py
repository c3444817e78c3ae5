"""The last requests of a key: what was asked and how it was answered, and nothing of what was in it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts import api_keys, exports, request_log, workspaces
from accounts.caller import Caller
from accounts.models import ApiKey, AuditEntry, User, Workspace
from accounts.roles import BY_ROLE, Role
from loremotion import valkey as stores
from tests.accounts import factories as people
from tests.generation import factories

pytestmark = pytest.mark.django_db

ALLOWED = BY_ROLE[Role.OWNER]


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


@pytest.fixture
def owner() -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    return people.team(owner, "Studio")


@pytest.fixture
def key_and_text(studio: Workspace, owner: User) -> tuple[ApiKey, str]:
    return api_keys.issue(workspace=studio, by=owner, allowed=ALLOWED, name="k", scopes=["read", "generate"])


@pytest.fixture
def key(key_and_text: tuple[ApiKey, str]) -> ApiKey:
    return key_and_text[0]


def program(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


@pytest.fixture
def client(key_and_text: tuple[ApiKey, str]) -> Client:
    return program(key_and_text[1])


def test_a_request_is_noted_with_its_answer_and_nothing_of_what_was_in_it(client: Client, key: ApiKey) -> None:
    factories.model()
    client.post("/v1/videos", {"prompt": "a secret fox", "bogus": 1}, content_type="application/json")
    client.get("/v1/videos?user_ref=secret")
    read, made = request_log.last_requests(key)
    assert (made.method, made.path, made.status, made.code) == ("POST", "/v1/videos", 422, "unknown_field")
    assert (read.method, read.path, read.status, read.code) == ("GET", "/v1/videos", 200, "")
    assert "secret" not in repr([read, made])
    shown = client.get("/v1/requests").json()["data"]
    assert [(one["method"], one["status"], one["code"]) for one in shown] == [
        ("GET", 200, None),
        ("POST", 422, "unknown_field"),
    ]


def test_no_more_are_kept_than_may_be_and_not_for_ever(client: Client, key: ApiKey, valkey: redis.Redis) -> None:
    entry = request_log.Entry(0.0, "GET", "/v1/me", 200, "", "r", 1)
    for _ in range(request_log.MOST_KEPT + 5):
        request_log.note(key, entry)
    client.get("/v1/me")
    kept = request_log.last_requests(key)
    assert len(kept) == request_log.MOST_KEPT
    assert kept[0].path == "/v1/me"
    assert kept[0].at > 0
    assert 0 < int(valkey.ttl(f"requests:{key.id}")) <= request_log.KEPT_SECONDS


def test_a_rotated_key_goes_on_where_it_was(client: Client, key: ApiKey, owner: User) -> None:
    client.get("/v1/me")
    _, text = api_keys.rotate(key=key, by=owner, allowed=ALLOWED)
    program(text).get("/v1/models")
    assert [one["path"] for one in program(text).get("/v1/requests").json()["data"]] == ["/v1/models", "/v1/me"]


def test_the_keys_page_shows_them_to_its_workspace_alone(
    client: Client, key: ApiKey, owner: User, studio: Workspace
) -> None:
    client.get("/v1/videos?limit=0")
    page = people.browser_of(owner, studio).get(f"/workspace/keys/{key.id}/requests/")
    assert "GET /v1/videos" in page.text
    assert "invalid_limit" in page.text
    stranger = people.person("stranger@example.org")
    assert people.browser_of(stranger).get(f"/workspace/keys/{key.id}/requests/").status_code == 404


def test_a_key_that_does_not_hold_notes_nothing(client: Client, key: ApiKey) -> None:
    api_keys.revoke(key=key, actor="owner@example.org")
    assert client.get("/v1/me").status_code == 401
    assert request_log.last_requests(key) == []


def test_what_a_revoked_key_asked_is_shown_for_its_usual_time(
    client: Client,
    key: ApiKey,
    owner: User,
    studio: Workspace,
    valkey: redis.Redis,
    django_capture_on_commit_callbacks: Any,
) -> None:
    """It may have leaked, and whoever revokes it wants to know what it was used for."""
    client.get("/v1/videos?limit=0")
    with django_capture_on_commit_callbacks(execute=True):
        api_keys.revoke(key=key, actor=owner.email)
    assert 0 < int(valkey.ttl(f"requests:{key.id}")) <= request_log.KEPT_SECONDS
    browser = people.browser_of(owner, studio)
    address = f"/workspace/keys/{key.id}/requests/"
    assert f'href="{address}"' in browser.get("/workspace/keys/").text
    assert "GET /v1/videos" in browser.get(address).text


def test_a_key_that_goes_on_or_was_not_used_lately_is_not_among_those_that_ended(
    client: Client, key: ApiKey, owner: User, studio: Workspace
) -> None:
    client.get("/v1/me")
    assert not api_keys.ended_keys(studio)
    successor, _ = api_keys.rotate(key=key, by=owner, allowed=ALLOWED)
    api_keys.revoke(key=key, actor=owner.email)
    assert not api_keys.ended_keys(studio)
    api_keys.revoke(key=successor, actor=owner.email)
    assert list(api_keys.ended_keys(studio)) == [key]
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert not api_keys.ended_keys(studio)


def test_staff_who_reads_audit_logs_sees_what_a_key_asked(
    client: Client, key: ApiKey, owner: User, studio: Workspace, django_user_model: type[User]
) -> None:
    client.get("/v1/videos?limit=0")
    api_keys.revoke(key=key, actor=owner.email)
    root = django_user_model.objects.create_superuser("root@example.org", "correct horse battery staple")
    staff = people.browser_of(root)
    address = f"/admin/customers/{studio.id}/keys/{key.id}/"
    assert f'href="{address}"' in staff.get(f"/admin/customers/{studio.id}/").text
    page = staff.get(address)
    assert "GET /v1/videos" in page.text
    assert "invalid_limit" in page.text
    other = people.team(owner, "Other")
    assert staff.get(f"/admin/customers/{other.id}/keys/{key.id}/").status_code == 404
    assert people.browser_of(owner).get(address).status_code in (302, 403)


def test_staff_says_from_where_a_key_may_be_used_and_ends_it(
    client: Client, key: ApiKey, studio: Workspace, django_user_model: type[User]
) -> None:
    staff = people.browser_of(django_user_model.objects.create_superuser("root@example.org", "irrelevant"))
    address = f"/admin/customers/{studio.id}/keys/{key.id}/"
    assert "no page in a browser may use it" in staff.get(address).text
    staff.post(f"{address}origins/", {"origins": "https://App.example http://elsewhere.example"})
    key.refresh_from_db()
    assert key.origins == []
    assert "is no origin" in staff.get(address).text
    staff.post(f"{address}origins/", {"origins": "https://App.example"})
    key.refresh_from_db()
    assert key.origins == ["https://app.example"]
    assert "browsers of: https://app.example" in staff.get(address).text
    asked = staff.get(address).text.split(f'action="{address}revoke/"')[1].split("</form>")[0]
    assert asked.index("It can't be undone") < asked.index("<button"), "it is asked first"
    staff.post(f"{address}revoke/")
    key.refresh_from_db()
    assert key.revoked_at is not None
    done = AuditEntry.objects.filter(actor="staff root@example.org").order_by("id").values_list("event", flat=True)
    assert list(done) == ["key.changed", "key.revoked"]
    staff.post(f"{address}origins/", {"origins": ""})
    assert "no longer active" in staff.get(address).text


def test_an_erased_workspace_leaves_no_log(
    client: Client,
    key: ApiKey,
    owner: User,
    studio: Workspace,
    valkey: redis.Redis,
    django_capture_on_commit_callbacks: Any,
) -> None:
    api_keys.rotate(key=key, by=owner, allowed=ALLOWED)
    client.get("/v1/me")
    others = people.team(owner, "Other")
    other, text = api_keys.issue(workspace=others, by=owner, allowed=ALLOWED, name="k", scopes=["read"])
    program(text).get("/v1/me")
    with django_capture_on_commit_callbacks(execute=True):
        workspaces.erase(studio)
    assert valkey.keys("requests:*") == [f"requests:{other.id}".encode()]


def test_an_export_has_the_log_for_whoever_manages_keys(client: Client, key: ApiKey, studio: Workspace) -> None:
    client.get("/v1/me")

    def exported(role: Role) -> dict[str, Any]:
        return {file.path: file.content for file in exports.files_of(Caller(studio, BY_ROLE[role]))}

    (told,) = json.loads(exported(Role.OWNER)["api_requests.json"])
    assert told["key"] == key.prefix
    assert [entry["path"] for entry in told["requests"]] == ["/v1/me"]
    assert "api_requests.json" not in exported(Role.MEMBER)


def test_while_valkey_is_away_keys_are_revoked_workspaces_exported_and_erased(
    client: Client,
    key: ApiKey,
    studio: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    def refuse(*said: Any) -> Any:
        raise redis.ConnectionError("away")

    client.get("/v1/me")
    for command in ("unlink", "lrange"):
        monkeypatch.setattr(stores.connection(), command, refuse)
    assert "workspace.json" in [file.path for file in exports.files_of(Caller(studio, ALLOWED))]
    assert "not in the export" in caplog.text
    with django_capture_on_commit_callbacks(execute=True):
        api_keys.revoke(key=key, actor="owner@example.org")
        workspaces.erase(studio)
    assert not Workspace.objects.filter(id=studio.id).exists()


def test_a_browser_has_no_such_log(owner: User, studio: Workspace) -> None:
    answer = people.browser_of(owner).get("/v1/requests")
    assert (answer.status_code, answer.json()["code"]) == (403, "no_key")


def test_while_valkey_is_away_the_answer_is_the_same(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*said: Any, **more: Any) -> Any:
        raise redis.ConnectionError("away")

    for command in ("eval", "pipeline"):
        monkeypatch.setattr(stores.connection(), command, refuse)
    assert client.get("/v1/me").status_code == 200


def test_nobody_waits_for_a_valkey_that_hangs_and_what_waits_is_written_together(
    key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = request_log._Notes()
    monkeypatch.setattr(request_log, "_notes", notes)
    monkeypatch.setattr(request_log, "BEHIND_SECONDS", 0)
    request_log.write_behind()
    with notes._writing:  # as while a command hangs
        for path in ("/v1/first", "/v1/second", "/v1/third"):
            request_log.note(key, request_log.Entry(0.0, "GET", path, 200, "", "r", 1))
    kept = request_log.last_requests(key)
    assert [entry.path for entry in kept] == ["/v1/third", "/v1/second", "/v1/first"]


def test_a_process_that_serves_writes_behind() -> None:
    assert f"{request_log.__name__}.{request_log.write_behind.__name__}" in settings.BEFORE_SERVING
