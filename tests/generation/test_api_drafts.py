"""Programs make drafts and finish them: by the same fields, prices and rules as the page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Membership, Visitor
from accounts.roles import Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from generation.moderation import gate
from generation.settlement import deletion
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_drafts import DRAFT, WHOLE, charged, end
from tests.generation.test_reference import complaints

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(toy: Model, client_of: ClientOf) -> Client:
    return client_of(factories.visitor(credits=500))


def post(client: Client, path: str, key: str = "", **said: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(path, said, content_type="application/json", headers=headers)


def drafted(client: Client, **said: Any) -> Generation:
    answer = post(client, "/v1/videos", prompt="a red circle", draft=True, **said)
    assert answer.status_code == 200, answer.content
    return Generation.objects.get(id=answer.json()["id"])


def shown(client: Client, clip: Generation) -> dict[str, Any]:
    """The clip as the API tells of it, which keeps to the contract."""
    said: dict[str, Any] = client.get(f"/v1/videos/{clip.id}").json()
    assert complaints(client.get("/v1/openapi.json").json(), "Video", said) == []
    return said


def test_a_draft_says_what_finishing_it_costs_and_is_finished_for_that(browser: Client) -> None:
    draft = drafted(browser, seed=7)
    assert shown(browser, draft)["lm"]["draft"]["credits_to_finish"] is None, "it is not made yet"
    end(draft)
    told = shown(browser, draft)["lm"]["draft"]
    assert (told["credits_to_finish"], told["steps"], told["final_id"]) == (WHOLE - DRAFT, 8, None)
    answer = post(browser, f"/v1/videos/{draft.id}/finish", max_credits=WHOLE - DRAFT)
    assert complaints(browser.get("/v1/openapi.json").json(), "Video", answer.json()) == []
    whole = end(Generation.objects.get(id=answer.json()["id"]))
    assert (whole.seed, whole.steps, charged(draft), charged(whole)) == (7, 8, DRAFT, WHOLE - DRAFT)
    assert shown(browser, draft)["lm"]["draft"]["final_id"] == str(whole.id)
    assert shown(browser, whole)["lm"]["draft"] is None
    again = post(browser, f"/v1/videos/{draft.id}/finish")
    assert (again.json()["id"], again["Idempotent-Replayed"]) == (str(whole.id), "true")


def test_finishing_costs_no_more_than_it_may(browser: Client) -> None:
    draft = end(drafted(browser))
    refused = post(browser, f"/v1/videos/{draft.id}/finish", max_credits=1)
    assert (refused.status_code, refused.json()["code"], refused.json()["credits"]) == (
        409,
        "costs_more",
        WHOLE - DRAFT,
    )
    assert Generation.objects.count() == 1


@pytest.mark.parametrize("hidden", ["deleted", "private"])
def test_a_finished_clip_is_handed_to_nobody_who_does_not_see_it(toy: Model, hidden: str) -> None:
    studio = people.team(owner := people.person("owner@example.org"), plan="house")
    members = [people.person(f"{name}@example.org") for name in ("one", "other")]
    for user in members:
        Membership.objects.create(workspace=studio, user=user, role=Role.MEMBER)
    ledger.grant(account=studio.id, reference=f"bought:{owner.id}", amount=200, kind=ledger.LotKind.PACK)
    mine, theirs, owners = (people.browser_of(user, studio) for user in (*members, owner))
    draft = end(drafted(mine))
    path = f"/v1/videos/{draft.id}"
    whole = end(Generation.objects.get(id=post(mine, f"{path}/finish").json()["id"]))
    assert post(theirs, f"{path}/finish").json()["id"] == str(whole.id)
    if hidden == "private":
        Generation.objects.filter(id=whole.id).update(is_private=True)
    else:
        deletion.delete(whole)
    refused = post(theirs, f"{path}/finish")
    assert (refused.status_code, refused.json()["code"]) == (409, "finished_already")
    assert shown(theirs, draft)["lm"]["draft"]["final_id"] is None
    assert str(whole.id) not in theirs.get(f"/generations/{draft.id}/").text
    answer = post(owners, f"{path}/finish")
    assert answer.status_code == (200 if hidden == "private" else 409)


def test_of_two_that_finish_a_draft_at_once_both_get_the_same_clip(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = end(drafted(browser))
    refuse, first = gate.refuse, []

    def meanwhile(*said: Any, **named: Any) -> None:
        monkeypatch.undo()
        first.append(post(browser, f"/v1/videos/{draft.id}/finish").json()["id"])
        refuse(*said, **named)

    monkeypatch.setattr(gate, "refuse", meanwhile)
    answer = post(browser, f"/v1/videos/{draft.id}/finish")
    assert ([answer.json()["id"]], answer["Idempotent-Replayed"]) == (first, "true")


def test_what_is_no_draft_is_not_finished(browser: Client, bob: Visitor, client_of: ClientOf) -> None:
    whole = Generation.objects.get(id=post(browser, "/v1/videos", prompt="a red circle").json()["id"])
    assert post(browser, f"/v1/videos/{end(whole).id}/finish").json()["code"] == "not_to_be_finished"
    waiting = drafted(browser)
    assert post(browser, f"/v1/videos/{waiting.id}/finish").json()["code"] == "in_progress"
    assert post(client_of(bob), f"/v1/videos/{waiting.id}/finish").status_code == 404


def test_a_draft_is_another_request_than_its_whole(browser: Client) -> None:
    codes = [
        post(browser, "/v1/videos", key="one", prompt="a red circle", **said).status_code
        for said in ({"draft": True}, {"draft": True}, {})
    ]
    assert codes == [200, 200, 422]
    assert Generation.objects.count() == 1


def test_a_quote_of_a_draft_says_both_prices(browser: Client) -> None:
    said = post(browser, "/v1/quotes", prompt="a red circle", draft=True, n=2).json()
    assert (said["credits"], said["to_finish"]) == (2 * DRAFT, WHOLE - DRAFT)
    assert complaints(browser.get("/v1/openapi.json").json(), "Quote", said) == []


def test_drafts_are_made_in_batches_too(browser: Client) -> None:
    videos = [{"prompt": "a red circle", "draft": True}, {"prompt": "a red circle"}]
    assert post(browser, "/v1/videos/batches", videos=videos).status_code == 200
    assert sorted(Generation.objects.values_list("steps", flat=True)) == [3, 8]


def test_several_drafts_are_taken_at_once(browser: Client) -> None:
    takes = post(browser, "/v1/videos", prompt="a blue square", draft=True, n=2).json()["data"]
    assert [Generation.objects.get(id=one["id"]).steps for one in takes] == [3, 3]
