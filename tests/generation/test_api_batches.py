"""Several clips by one request to the API: all are made and held for, or none; sent twice, once."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from accounts import api_keys
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation, Upload
from generation.settlement import deletion, settle
from generation.submission import batch, pictures, uploads
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_batch import PRICE
from tests.generation.test_remote_clips import SPEC as CLOSED
from tests.generation.test_uploads import heic_file, picture_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def payer(toy: Model) -> Visitor:
    made = factories.visitor()
    ledger.grant(account=made.workspace_id, reference=f"bought:{made.id}", amount=100, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def client(payer: Visitor, client_of: ClientOf) -> Client:
    return client_of(payer)


def post(client: Client, body: Any, address: str = "/v1/videos/batches", **headers: str) -> Any:
    return client.post(address, json.dumps(body), content_type="application/json", headers=headers)


def videos(*prompts: str, **said: Any) -> dict[str, Any]:
    return {"videos": [{"prompt": prompt, **said} for prompt in prompts]}


def held(visitor: Visitor) -> int:
    return ledger.balance(account=visitor.workspace_id).held


def test_n_takes_of_a_clip_are_made_with_seeds_and_receipts_of_their_own(client: Client, payer: Visitor) -> None:
    answer = post(client, {"prompt": "a fox", "n": 3, "seed": 7, "user_ref": "o1"}, "/v1/videos")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [video["lm"]["seed"] for video in data] == [7, 8, 9]
    assert {video["lm"]["user_ref"] for video in data} == {"o1"}
    assert {ledger.receipt(reference=made.id).held for made in Generation.objects.all()} == {PRICE}
    assert held(payer) == 3 * PRICE


def test_one_of_a_clip_is_answered_as_ever(client: Client) -> None:
    assert post(client, {"prompt": "a fox", "n": 1}, "/v1/videos").json()["object"] == "video"


@pytest.mark.parametrize("times", [0, 5, "many"])
def test_more_takes_than_there_may_be_are_refused(client: Client, times: Any) -> None:
    refused = post(client, {"prompt": "a fox", "n": times}, "/v1/videos")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_n")


def test_a_quote_of_several_is_of_all_of_them(client: Client) -> None:
    quoted = post(client, {"prompt": "a fox", "n": 3}, "/v1/quotes").json()
    assert (quoted["n"], quoted["credits"]) == (3, 3 * PRICE)
    assert quoted["in_words"].startswith(f"{3 * PRICE} credits for 3 clips.")


def test_a_batch_is_answered_in_its_order(toy: Model) -> None:
    studio = people.team(owner := people.person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference="bought", amount=100, kind=ledger.LotKind.PACK)
    terms: Any = {"name": "k", "scopes": ["generate"], "daily_cap_credits": 5 * PRICE}
    key, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], **terms)
    client = Client(headers={"Authorization": f"Bearer {text}"})
    body = {"videos": [{"prompt": "a fox", "private": True}, {"prompt": "a boat", "user_ref": "o2"}]}
    answer = post(client, body, **{"Cancel-After": "1h"})
    data = answer.json()["data"]
    assert [video["prompt"] for video in data] == ["a fox", "a boat"]
    assert [video["lm"]["user_ref"] for video in data] == [None, "o2"]
    assert [Generation.objects.get(id=video["id"]).is_private for video in data] == [True, False]
    assert all(video["lm"]["cancel_at"] for video in data)
    assert ledger.balance(account=studio.id).held == 2 * PRICE
    assert {made.api_key_id for made in Generation.objects.all()} == {key.id}
    refused = post(client, {"videos": [{"prompt": "a fox"}] * 4})
    assert (refused.status_code, refused.json()["code"]) == (403, "cap_reached")


def test_a_prompt_is_asked_of_an_open_and_a_closed_model_at_once(client: Client, payer: Visitor) -> None:
    factories.model("far", is_default=False, **CLOSED)
    body = {"videos": [{"prompt": "a fox", "model": model, "seconds": 1} for model in ("toy", "far")]}
    data = post(client, body).json()["data"]
    assert [video["model"] for video in data] == ["toy", "far"]
    assert sum(video["lm"]["cost"]["held"] for video in data) == held(payer)


@pytest.mark.parametrize("address", ["/v1/videos/batches", "/v1/videos"])
def test_the_same_key_makes_a_batch_once(client: Client, payer: Visitor, address: str) -> None:
    body = videos("a fox", "a fox") if address.endswith("batches") else {"prompt": "a fox", "n": 2}
    first, again = (post(client, body, address, **{"Idempotency-Key": "order-1"}) for _ in range(2))
    assert [video["id"] for video in again.json()["data"]] == [video["id"] for video in first.json()["data"]]
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert held(payer) == 2 * PRICE


@pytest.mark.parametrize("other", [videos("a fox"), videos("a fox", "a hen"), videos("a fox", "a boat", "a hen")])
def test_the_same_key_for_another_batch_is_refused(client: Client, payer: Visitor, other: dict[str, Any]) -> None:
    post(client, videos("a fox", "a boat"), **{"Idempotency-Key": "order-1"})
    refused = post(client, other, **{"Idempotency-Key": "order-1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert held(payer) == 2 * PRICE


def test_the_key_of_a_clip_is_no_key_of_a_batch(client: Client) -> None:
    post(client, {"prompt": "a fox"}, "/v1/videos", **{"Idempotency-Key": "order-1"})
    refused = post(client, videos("a fox", "a fox"), **{"Idempotency-Key": "order-1"})
    assert refused.json()["code"] == "idempotency_key_reused"


def test_a_retry_without_a_key_finds_the_whole_batch(client: Client, payer: Visitor) -> None:
    first = post(client, videos("a fox", "a boat"))
    again = post(client, videos("a fox", "a boat"), **RETRY)
    assert [video["id"] for video in again.json()["data"]] == [video["id"] for video in first.json()["data"]]
    assert held(payer) == 2 * PRICE


RETRY = {"x-stainless-retry-count": "1"}


@pytest.mark.parametrize("ended", [[0], [1], [0, 1]], ids=["first", "second", "both"])
def test_a_batch_answers_a_retry_without_a_key_until_all_of_it_has_ended(
    client: Client, payer: Visitor, ended: list[int]
) -> None:
    first = [video["id"] for video in post(client, videos("a fox", "a boat")).json()["data"]]
    for number in ended:
        settle.cancel(Generation.objects.get(id=first[number]))
    again = [video["id"] for video in post(client, videos("a fox", "a boat"), **RETRY).json()["data"]]
    assert (again == first) == (ended != [0, 1])
    assert held(payer) == (PRICE if again == first else 2 * PRICE)


def test_a_retry_without_a_key_of_a_batch_that_is_not_whole_any_more_is_refused_and_told_of_no_key(
    client: Client, payer: Visitor
) -> None:
    made = post(client, videos("a fox", "a boat")).json()["data"]
    settle.cancel(second := Generation.objects.get(id=made[1]["id"]))
    second.refresh_from_db()
    deletion.delete(second)
    refused = post(client, videos("a fox", "a boat"), **RETRY)
    assert (refused.status_code, refused.json()["code"]) == (422, "batch_incomplete")
    assert "Idempotency-Key" not in refused.text
    assert held(payer) == PRICE


def test_a_batch_of_which_a_clip_was_deleted_is_not_made_again(client: Client, payer: Visitor) -> None:
    made = post(client, videos("a fox", "a boat"), **{"Idempotency-Key": "order-1"}).json()["data"]
    client.post(f"/v1/videos/{made[1]['id']}/cancel")
    client.delete(f"/v1/videos/{made[1]['id']}")
    refused = post(client, videos("a fox", "a boat"), **{"Idempotency-Key": "order-1"})
    assert refused.json()["code"] == "idempotency_key_reused"
    assert held(payer) == PRICE


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"videos": []}, "invalid_videos", "videos"),
        ({"videos": "a fox"}, "invalid_videos", "videos"),
        ({"videos": [{"prompt": "a fox"}] * 49}, "invalid_videos", "videos"),
        ({"videos": [{"prompt": "a fox"}, "a boat"]}, "invalid_body", "videos[1]"),
        ({"videos": [{"prompt": "a fox"}, {"prompt": "a boat", "n": 2}]}, "unknown_field", "videos[1].n"),
        ({"videos": [{"prompt": "a fox"}, {"prompt": "a boat", "secs": 2}]}, "unknown_field", "videos[1].secs"),
        (
            {"videos": [{"prompt": "a fox"}, {"prompt": "a boat", "seconds": "x"}]},
            "invalid_seconds",
            "videos[1].seconds",
        ),
    ],
)
def test_what_is_wrong_with_a_batch_is_said_of_its_clip(
    client: Client, payer: Visitor, body: Any, code: str, param: str
) -> None:
    refused = post(client, body)
    said = refused.json()
    assert (refused.status_code, said["code"], said["error"]["param"]) == (422, code, param)
    assert held(payer) == 0


def test_of_a_batch_with_a_clip_that_cannot_be_made_nothing_is(client: Client, payer: Visitor) -> None:
    body = {"videos": [{"prompt": "a fox", "seconds": 99}, {"prompt": "a boat"}]}
    refused = post(client, body)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("Clip 1: ")
    assert held(payer) == 0


def test_max_credits_is_for_all_of_them(client: Client, payer: Visitor) -> None:
    body = videos("a fox", "a boat")
    refused = post(client, {**body, "max_credits": 2 * PRICE - 1})
    assert (refused.status_code, refused.json()["credits"]) == (409, 2 * PRICE)
    assert held(payer) == 0
    assert post(client, {**body, "max_credits": 2 * PRICE}).status_code == 200


def test_a_plans_open_clips_bound_a_batch(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    refused = post(client_of(alice), {"prompt": "a fox", "n": 4}, "/v1/videos")
    assert refused.status_code == 429
    assert not Generation.objects.exists()


def test_clips_that_start_from_one_picture_have_a_copy_each(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.model("moving", is_default=False, modes=["image"])
    prepare = Mock(wraps=uploads.prepare)
    monkeypatch.setattr(uploads, "prepare", prepare)
    picture = f"data:image/png;base64,{b64encode(picture_file().read()).decode()}"
    answer = post(client, videos("a fox", "a boat", model="moving", image=picture))
    assert answer.status_code == 200, answer.text
    one, other = Generation.objects.all()
    assert one.inputs["image"] != other.inputs["image"]
    assert prepare.call_count == 1


def test_takes_of_a_clip_that_starts_from_a_large_upload_have_a_copy_each(client: Client, settings: Settings) -> None:
    factories.model("moving", is_default=False, modes=["image"])
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0  # what is larger lies in a temporary file
    said = {"prompt": "a fox", "model": "moving", "n": "2", "image": heic_file()}
    answer = client.post("/v1/videos", said)
    assert answer.status_code == 200, answer.text
    one, other = (default_storage.open(made.inputs["image"]).read() for made in Generation.objects.all())
    assert one == other == heic_file().read()


def test_more_bytes_than_a_request_may_store_are_refused_before_any_is(
    client: Client, payer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.model("moving", is_default=False, modes=["image"])
    monkeypatch.setattr(batch, "MOST_BYTES", 3 * pictures.to_png(picture_file()).size)
    said = {"prompt": "a fox", "model": "moving"}
    assert client.post("/v1/videos", {**said, "n": "3", "image": picture_file()}).status_code == 200
    stored = Upload.objects.count()
    refused = client.post("/v1/videos", {**said, "n": "4", "image": picture_file()})
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert "these 4 clips" in refused.json()["detail"]
    assert (Upload.objects.count(), held(payer)) == (stored, 3 * PRICE)


def test_a_batch_names_no_more_files_than_it_may(client: Client) -> None:
    named = [{"prompt": "a fox", "image": f"https://files.example/{number}.png"} for number in range(9)]
    refused = post(client, {"videos": named})
    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_files")
