"""The API as HTTP: methods, caches, parts of files, and keys that make a request safe to repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest
import redis
import time_machine
from django.test import Client
from django.utils import timezone

from accounts import api_keys
from accounts.models import Visitor, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from tests.accounts.factories import person, team
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

pytestmark = pytest.mark.django_db

FOX = {"prompt": "a fox"}


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


@pytest.fixture
def studio(toy: Model) -> Workspace:
    studio = team(person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=500, kind=ledger.LotKind.PACK)
    return studio


def by_key(studio: Workspace) -> Client:
    """A program with a key of its own, that checks CSRF as a browser's requests are checked."""
    owner = studio.memberships.get(role=Role.OWNER).user
    scopes = ["generate", "read"]
    _, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=scopes)
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {text}"})


def post(client: Client, body: dict[str, Any] | None = None, *, key: str = "order-17") -> Any:
    return client.post("/v1/videos", body or FOX, content_type="application/json", headers={"Idempotency-Key": key})


# --- methods ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["models", "models/toy", "openapi.json", "videos/{id}/content", "videos/{id}/events"]
)
def test_what_can_only_be_read_says_so(studio: Workspace, address: str) -> None:
    clip = factories.submitted(studio)
    for client in (by_key(studio), Client(enforce_csrf_checks=True)):
        answer = client.post(f"/v1/{address.format(id=clip.id)}", {}, content_type="application/json")
        assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
        assert answer.json()["code"] == "method_not_allowed"
        assert "GET" in answer["Allow"]


# --- caches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["videos", "videos/{id}", "models", "models/toy", "openapi.json"])
def test_what_has_not_changed_is_not_sent_again(studio: Workspace, address: str) -> None:
    client, address = by_key(studio), f"/v1/{address.format(id=factories.submitted(studio).id)}"
    first = client.get(address)
    assert first["Cache-Control"] == "private, no-cache"
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert "RateLimit" in again
    assert client.get(address, headers={"If-None-Match": '"another"'}).status_code == 200


def test_what_changes_something_and_what_is_refused_is_kept_by_nobody(studio: Workspace) -> None:
    client = by_key(studio)
    made, absent = post(client), client.get(f"/v1/videos/{studio.id}")
    assert (made.status_code, absent.status_code) == (200, 404)
    for answer in (made, absent, Client().get("/v1/videos")):
        assert answer["Cache-Control"] == "no-store"
        assert "ETag" not in answer


# --- parts of files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["video", "thumbnail"])
def test_a_file_that_is_there_already_is_not_sent_again(
    toy: Model, alice: Visitor, client_of: ClientOf, variant: str
) -> None:
    client, address = client_of(alice), f"/v1/videos/{finished(alice).id}/content?variant={variant}"
    first = client.get(address)
    assert first.status_code == 200
    assert client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304
    other = client.get(address.replace(f"={variant}", {"video": "=thumbnail", "thumbnail": "=video"}[variant]))
    assert other["ETag"] != first["ETag"]


def test_a_part_of_another_file_is_not_put_behind_what_is_there(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    client, address = client_of(alice), f"/v1/videos/{finished(alice).id}/content"
    etag = client.get(address)["ETag"]
    assert client.get(address, headers={"Range": "bytes=3-", "If-Range": etag}).status_code == 206
    for odd in ('"another"', f"W/{etag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        whole = client.get(address, headers={"Range": "bytes=3-", "If-Range": odd})
        assert whole.status_code == 200
        assert b"".join(whole.streaming_content) == factories.CLIP_BYTES  # type: ignore[attr-defined]


# --- keys that make a request safe to repeat --------------------------------------------------------------------


def test_a_repetition_says_that_it_is_one(studio: Workspace) -> None:
    client = by_key(studio)
    first, again = post(client), post(client)
    assert first.json()["id"] == again.json()["id"]
    assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")


def test_two_programs_of_a_team_may_number_their_requests_alike(studio: Workspace) -> None:
    mine, other = by_key(studio), by_key(studio)
    made = [post(client, body).json()["id"] for client, body in ((mine, FOX), (other, {"prompt": "a hen"}))]
    assert len(set(made)) == 2
    assert [post(mine).json()["id"], post(other, {"prompt": "a hen"}).json()["id"]] == made


def test_a_key_holds_for_a_day_also_past_midnight(studio: Workspace) -> None:
    client, late = by_key(studio), timezone.now().replace(hour=23, minute=59)
    with time_machine.travel(late, tick=False):
        first = post(client).json()["id"]
    with time_machine.travel(late + timedelta(hours=23), tick=False):
        assert post(client).json()["id"] == first
    with time_machine.travel(late + timedelta(hours=25), tick=False):
        later = post(client)
        assert (later.status_code, "Idempotent-Replayed" in later) == (200, False)
        assert later.json()["id"] != first
        assert post(client).json()["id"] == later.json()["id"]
    assert Generation.objects.of(studio).count() == 2


def test_a_key_of_the_last_release_is_still_known(studio: Workspace) -> None:
    client, old = by_key(studio), uuid5(studio.id, "order-17")
    Generation.objects.filter(id=post(client).json()["id"]).update(id=old)
    assert post(client).json()["id"] == str(old)
