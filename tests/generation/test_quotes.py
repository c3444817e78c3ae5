"""``POST /v1/quotes``: the price and the wait of a clip that nobody has asked for yet."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import api_keys, limits
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from catalog.models import Model
from generation.models import Generation
from generation.settlement import forecasting
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_fit import SMALL
from tests.generation.test_fit import machine as small_machine
from tests.generation.test_wait import machine

ASKED = {"prompt": "a red circle", "seconds": "1"}


def quoted(client: Client, asked: dict[str, Any] = ASKED) -> Any:
    return client.post("/v1/quotes", asked, content_type="application/json")


def test_the_quote_is_what_the_clip_then_costs_and_waits(
    toy: Model,
    alice: Visitor,
    bob: Visitor,
    valkey: redis.Redis,
    client_of: ClientOf,
) -> None:
    for _ in range(3):
        factories.submitted(bob.workspace, seconds=1)
    client = client_of(alice)
    with time_machine.travel(timezone.now(), tick=False):  # what is left of a wait shrinks between two requests
        machine(valkey)
        forecasting.put_up_forecast()
        quote = quoted(client).json()
        made = client.post("/v1/videos", ASKED, content_type="application/json").json()
    assert (quote["object"], quote["model"], quote["size"]) == ("quote", "toy", made["size"])
    assert quote["credits"] == made["lm"]["cost"]["quoted"] == 6
    told, asked = quote["queue"], made["lm"]["queue"]
    assert told["place"] == asked["place"] == 1
    assert told["reason"] == asked["reason"] == "1 clip ahead of you."
    assert told["starts"] == pytest.approx(asked["starts"], abs=1.0)
    assert told["ready"] == pytest.approx(asked["ready"], abs=1.0)
    assert quote["in_words"] == f"6 credits. {told['in_words']}"
    assert quote["ready_at"][2] - quote["ready_at"][0] == pytest.approx(told["ready"][2] - told["ready"][0], abs=2)


def test_it_refuses_what_asking_would_refuse(
    toy: Model, alice: Visitor, client_of: ClientOf, subtests: pytest.Subtests
) -> None:
    client = client_of(alice)
    for asked in (
        {"prompt": ""},
        {"prompt": "x", "model": "none"},
        {"prompt": "x", "size": "1x1"},
        {"prompt": "x", "seconds": "99"},
        {"prompt": "x", "colour": "red"},
        {"prompt": "x", "video": "6f3f2c1e-0000-4000-8000-000000000000"},
    ):
        with subtests.test(asked=asked):
            refused = quoted(client, asked)
            same = client.post("/v1/videos", asked, content_type="application/json")
            assert (refused.status_code, refused.json()["detail"]) == (same.status_code, same.json()["detail"])
            assert refused.status_code in (400, 422)


def test_nothing_is_written_and_nothing_held(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    quoted(client)
    with CaptureQueriesContext(connection) as queries:
        assert quoted(client).status_code == 200
    verbs = {query["sql"].split()[0].upper() for query in queries}
    assert verbs <= {"SELECT", "SET", "WITH", "EXECUTE", "SAVEPOINT", "RELEASE"}
    assert not Generation.objects.exists()


def test_whoever_has_too_few_credits_hears_the_price(toy: Model, client_of: ClientOf) -> None:
    poor = client_of(factories.visitor())
    asked = ASKED | {"seconds": "5"}
    assert quoted(poor, asked).json()["credits"] > 0


def test_a_key_that_may_only_read_credits_may_ask_and_counts_as_reading(toy: Model) -> None:
    owner = people.person("owner@example.org")
    studio = people.team(owner, "Studio")
    allowed = BY_ROLE[Role.OWNER]
    _, text = api_keys.issue(workspace=studio, by=owner, allowed=allowed, name="k", scopes=["billing-read"])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    answer = quoted(client)
    assert answer.status_code == 200
    assert answer["RateLimit"].startswith(f'"{limits.READ}"')
    clip = "6f3f2c1e-0000-4000-8000-000000000000"
    assert quoted(client, ASKED | {"video": clip}).status_code == 403
    assert quoted(Client(headers={"Authorization": "Bearer lm_live_wrong"})).status_code == 401


def test_a_model_that_no_machine_can_hold_is_quoted_with_the_cause(
    toy: Model, alice: Visitor, valkey: redis.Redis, client_of: ClientOf
) -> None:
    sizes = {"text_encoder": 45 * 10**9, "transformer": 9**9, "vae": 10**8}
    factories.model("giant", is_default=False, component_bytes=sizes)
    small_machine(valkey, "small", SMALL)
    quote = quoted(client_of(alice), ASKED | {"model": "giant"}).json()
    assert quote["queue"]["waits_for_a_machine"]
    assert quote["queue"]["reason"].startswith("This model is offline right now")
    assert quote["ready_at"] is None
