"""``user_ref``: a program finds its clips by its own names for them."""

from __future__ import annotations

import json
from copy import copy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.caller import Caller
from accounts.models import Visitor
from accounts.roles import VISITOR_MAY
from catalog.models import Model
from generation.api import listing
from generation.models import Generation
from generation.settlement import deletion, settle
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(toy: Model, alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def make(client: Client, *, key: str = "", **asked: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    said = {"prompt": "a fox", **asked}
    return client.post("/v1/videos", json.dumps(said), content_type="application/json", headers=headers)


def listed(client: Client, **said: str) -> list[str]:
    return [video["id"] for video in client.get("/v1/videos", said).json()["data"]]


def test_a_clip_is_found_by_what_its_program_calls_it(client: Client) -> None:
    first = make(client, user_ref="order 7 · ü").json()
    settle.cancel(Generation.objects.get(id=make(client, user_ref="order 8").json()["id"]))  # three may be open
    make(client)
    second = make(client, user_ref="order 7 · ü").json()
    assert first["lm"]["user_ref"] == "order 7 · ü"
    assert listed(client, user_ref="order 7 · ü") == [second["id"], first["id"]]
    assert listed(client, user_ref="order 7 · ü", after=second["id"]) == [first["id"]]
    assert listed(client, user_ref="order 9") == []
    assert len(listed(client)) == 4


def test_spaces_around_a_name_are_none_of_it(client: Client) -> None:
    made = make(client, user_ref=" order 7 ").json()
    assert made["lm"]["user_ref"] == "order 7"
    assert listed(client, user_ref=" order 7 ") == listed(client, user_ref="order 7") == [made["id"]]


def test_nobody_else_finds_it(client: Client, bob: Visitor, client_of: ClientOf) -> None:
    make(client, user_ref="order 7")
    assert listed(client_of(bob), user_ref="order 7") == []


def test_without_one_it_has_none(client: Client) -> None:
    assert [make(client, **said).json()["lm"]["user_ref"] for said in ({}, {"user_ref": None}, {"user_ref": ""})] == [
        None
    ] * 3


@pytest.mark.parametrize("ref", ["", " ", "x" * 201, "a\0b"])
def test_a_list_by_what_can_be_no_name_is_refused(client: Client, ref: str) -> None:
    answer = client.get("/v1/videos", {"user_ref": ref})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_user_ref")


@pytest.mark.parametrize("ref", ["x" * 201, "a\0b", ["a"], {"a": 1}])
def test_what_can_be_no_name_makes_no_clip(client: Client, ref: Any) -> None:
    answer = make(client, user_ref=ref)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_user_ref")
    assert not Generation.objects.exists()


def test_a_repetition_under_another_name_is_another_request(client: Client) -> None:
    first = make(client, key="k", user_ref="order 7")
    assert make(client, key="k", user_ref="order 7").json()["id"] == first.json()["id"]
    assert make(client, key="k", user_ref="order 8").json()["code"] == "idempotency_key_reused"


def test_a_deleted_clip_forgets_it(client: Client) -> None:
    made = Generation.objects.get(id=make(client, user_ref="mrs smith").json()["id"])
    settle.cancel(made)
    deletion.delete(Generation.objects.get(id=made.id))
    made.refresh_from_db()
    assert made.user_ref == ""
    assert listed(client, user_ref="mrs smith") == []


def test_a_quote_takes_the_same_body(client: Client) -> None:
    assert client.post("/v1/quotes", {"prompt": "a fox", "user_ref": "x"}, content_type="application/json").json()[
        "credits"
    ]


def test_the_rest_of_the_history_is_not_read_for_it(client: Client, alice: Visitor) -> None:
    first = Generation.objects.get(id=make(client, user_ref="order 7").json()["id"])
    others = [copy(first) for _ in range(500)]
    for number, other in enumerate(others, 1):
        other.id, other.user_ref = uuid4(), ""
        other.created_at = first.created_at + timedelta(seconds=number)
    Generation.objects.bulk_create(others)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE generation_generation")
    caller = Caller(alice.workspace, VISITOR_MAY)
    with CaptureQueriesContext(connection) as asked:
        assert listing.page(caller, limit=21, only=Q(user_ref="order 7") & ~Q(user_ref="")) == [first]
    assert len(asked) == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {asked[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "generation_by_user_ref" in plan, plan
