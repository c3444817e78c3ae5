"""``Cancel-After``: a clip that has not ended by then is cancelled, and what was not rendered is given back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.settlement import housekeeping, settle
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(toy: Model, alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def make(client: Client, said: str | None = None, *, key: str = "k") -> Any:
    headers = {"Idempotency-Key": key} | ({"Cancel-After": said} if said is not None else {})
    body = json.dumps({"prompt": "a fox"})
    return client.post("/v1/videos", body, content_type="application/json", headers=headers)


@pytest.mark.parametrize(
    ("said", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("1h0m5s", 3605), ("168h", 604_800)]
)
def test_it_is_told_when_the_clip_is_cancelled(client: Client, said: str, seconds: int) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        ours = make(client, said).json()["lm"]
        assert ours["cancel_at"] == int((timezone.now() + timedelta(seconds=seconds)).timestamp())


def test_what_says_no_such_time_makes_nothing(client: Client, subtests: pytest.Subtests) -> None:
    for said in ("", "4s", "0", "-5s", "soon", "5 minutes", "169h", "1.5h", "5m1h", "99999999999"):
        with subtests.test(said=said):
            refused = make(client, said)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cancel_after")
            assert not Generation.objects.exists()


def test_what_is_overdue_is_cancelled_and_paid_back_and_nothing_else_is(client: Client) -> None:
    overdue, later, without = (make(client, said, key=said or "-").json()["id"] for said in ("60s", "1h", None))
    with time_machine.travel(timezone.now() + timedelta(minutes=2), tick=False):
        housekeeping.cancel_overdue()
    states = {str(clip.id): clip.state for clip in Generation.objects.all()}
    assert states == {overdue: State.CANCELLED, later: State.QUEUED, without: State.QUEUED}
    cost = client.get(f"/v1/videos/{overdue}").json()["lm"]["cost"]
    assert cost["given_back"] == cost["quoted"]


def test_what_has_ended_is_left_as_it_is(client: Client) -> None:
    generation = Generation.objects.get(id=make(client, "60s").json()["id"])
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    with time_machine.travel(timezone.now() + timedelta(minutes=2), tick=False):
        housekeeping.cancel_overdue()
    generation.refresh_from_db()
    assert generation.state == State.SUCCEEDED


def test_a_retry_with_another_time_is_the_same_clip(client: Client) -> None:
    assert make(client, "60s").json()["id"] == make(client, "90s").json()["id"]
