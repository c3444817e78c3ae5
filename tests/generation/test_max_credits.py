"""``max_credits``: a program says what a clip may cost, and nothing dearer is made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(toy: Model, alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def post(client: Client, address: str = "/v1/videos", *, key: str = "", **asked: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    said = {"prompt": "a fox", **asked}
    return client.post(address, json.dumps(said), content_type="application/json", headers=headers)


@pytest.fixture
def price(client: Client) -> int:
    return int(post(client, "/v1/quotes").json()["credits"])


@pytest.mark.parametrize("address", ["/v1/videos", "/v1/quotes"])
def test_what_costs_more_is_refused_with_its_price(client: Client, price: int, address: str) -> None:
    refused = post(client, address, max_credits=price - 1)
    said = refused.json()
    assert (refused.status_code, said["code"], said["credits"]) == (409, "costs_more", price)
    assert said["error"]["param"] == "max_credits"
    assert not Generation.objects.exists()


def test_what_costs_as_much_is_made(client: Client, price: int) -> None:
    assert post(client, max_credits=price).status_code == 200


def test_a_retry_with_another_limit_is_the_same_request(client: Client, price: int) -> None:
    assert post(client, key="k", max_credits=price - 1).status_code == 409
    made = post(client, key="k", max_credits=price)
    again = post(client, key="k", max_credits=price - 1)
    assert made.status_code == again.status_code == 200
    assert made.json()["id"] == again.json()["id"]


@pytest.mark.parametrize("said", [-1, "many", 1.5])
def test_what_is_no_number_of_credits_is_refused(client: Client, said: Any) -> None:
    refused = post(client, max_credits=said)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_max_credits")
