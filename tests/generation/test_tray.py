"""The tray asks about the clips that a browser has on their way: one look, the caller's own alone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import redis
from django.test import Client

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation.live import progress
from generation.models import Generation, State
from generation.settlement import settle
from gpu_worker.contract import Progress
from tests.accounts import factories as accounts
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


def look(browser: Client, *ids: object) -> list[dict[str, Any]]:
    answer = browser.get("/generations/tray/", {"clips": ",".join(map(str, ids))})
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["clips"]
    return found


def test_an_open_clip_says_how_it_stands(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    made = factories.submitted(alice.workspace, prompt="a fox")
    [said] = look(client_of(alice), made.id)
    assert (said["id"], said["prompt"], said["url"]) == (str(made.id), "a fox", f"/generations/{made.id}/")
    assert (said["is_open"], said["is_ready"], said["percent"]) == (True, False, 0)
    assert said["words"] == "We're offline for a moment. Your place is saved."


@pytest.mark.parametrize(
    ("state", "words"),
    [(State.SUCCEEDED, "Ready"), (State.CANCELLED, "Cancelled"), (State.FAILED, "Didn't work out")],
)
def test_one_that_has_ended_says_how(toy: Model, alice: Visitor, client_of: ClientOf, state: State, words: str) -> None:
    made = factories.submitted(alice.workspace)
    Generation.objects.filter(id=made.id).update(state=state)
    [said] = look(client_of(alice), made.id)
    assert (said["is_open"], said["is_ready"], said["words"]) == (False, state == State.SUCCEEDED, words)


def test_a_stage_that_only_a_newer_worker_knows_is_part_of_rendering(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    made = factories.submitted(alice.workspace)
    Generation.objects.filter(id=made.id).update(state=State.RUNNING)
    progress.publish(made.id, Progress(kind="stage", stage="dreaming"))
    [said] = look(client_of(alice), made.id)
    assert said["words"] == "Rendering"


def test_others_clips_and_what_is_none_are_not_there(
    toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    theirs = factories.submitted(bob.workspace)
    assert look(client_of(alice), theirs.id, uuid4(), "nothing", "") == []
    assert look(client_of(bob), theirs.id)
    assert look(Client(), theirs.id) == []


def test_an_answer_says_of_which_workspace_it_is_as_pages_do(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser, workspace = client_of(alice), str(alice.workspace.id)
    assert browser.get("/generations/tray/").json()["workspace"] == workspace
    assert f'data-workspace="{workspace}"' in browser.get("/models/").text
    assert Client().get("/generations/tray/").json()["workspace"] == ""


def test_of_a_team_s_clips_each_member_s_own_are_marked(toy: Model, db: None) -> None:
    alice, bob = accounts.person("alice@example.org"), accounts.person("bob@example.org")
    studio = accounts.team(alice, member=bob)
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    made = factories.submitted(studio)
    Generation.objects.filter(id=made.id).update(made_by=alice)
    for person, is_own in ((alice, True), (bob, False)):
        browser = accounts.browser_of(person, studio)
        for address in ("/history/", f"/generations/{made.id}/"):
            page = browser.get(address).text
            assert f'data-clip="{made.id}"' in page
            assert (" data-own" in page) == is_own, (person.email, address)


def test_once_a_clip_has_ended_the_header_s_credits_come_along(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser, made = client_of(alice), factories.submitted(alice.workspace)
    address = f"/generations/tray/?clips={made.id}"
    assert browser.get(address).json()["credits_left"] == ""
    assert "reserved" in browser.get("/models/").text
    settle.cancel(made)
    credits_left = browser.get(address).json()["credits_left"]
    assert "reserved" not in credits_left
    assert credits_left.strip() in browser.get("/models/").text


def test_it_asks_the_same_however_many_there_are(
    toy: Model, alice: Visitor, client_of: ClientOf, django_assert_max_num_queries: Any
) -> None:
    browser, ids = client_of(alice), [factories.submitted(alice.workspace).id]
    settle.cancel(Generation.objects.get(id=ids[0]))
    for _ in range(3):
        ids.append(factories.submitted(alice.workspace).id)
        with django_assert_max_num_queries(9):
            assert len(look(browser, *ids)) == len(ids)
