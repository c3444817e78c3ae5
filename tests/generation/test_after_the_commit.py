"""Once the credits are held, no odd heartbeat and no fault of ours makes the answer look like a refusal."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis
from django.db import DatabaseError
from django.test import Client
from redis.connection import AbstractConnection

from accounts.models import Visitor
from billing import ledger, statements
from catalog.models import Model
from generation.api import presentation
from generation.models import Generation, State
from generation.scheduling import capacity, dispatch, queue_depth, wait
from generation.scheduling.forecast_board import CLIPS_KEY, PLACES_KEY
from gpu_worker.contract import Progress
from gpu_worker.valkey_names import WORKERS_KEY, progress_key, worker_key
from gpu_worker.worker_status import WorkerStatus
from loremotion import well_known
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 2**30
ODD: list[Any] = [
    b"{",
    b"[]",
    {"budget_bytes": "much"},
    {"budget_bytes": None},
    {"residents": 5},
    {"beat_at": float("nan")},
]


def beats(valkey: redis.Redis, name: str, said: Any) -> None:
    """A heartbeat; ``said`` are bytes as they are, or changes to a sound one."""
    sound = WorkerStatus(name=name, host="h", pid=1, device="cuda:0", budget_bytes=80 * GIB).to_wire()
    valkey.zadd(WORKERS_KEY, {name: time.time()})
    valkey.set(worker_key(name), said if isinstance(said, bytes) else json.dumps(sound | said), ex=60)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_heartbeat_stops_neither_requests_nor_the_fleet(
    toy: Model, alice: Visitor, client_of: ClientOf, admin_client: Client, valkey: redis.Redis, odd: Any
) -> None:
    beats(valkey, "odd", odd)
    beats(valkey, "sound", {})
    browser = client_of(alice)
    answer = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert answer.status_code == 200, answer.text
    generation = Generation.objects.get()
    assert generation.state == State.DISPATCHED
    assert browser.get(f"/generations/{generation.id}/").status_code == 200
    assert "sound" in admin_client.get("/admin/fleet/").text
    assert capacity.budgets() == [80 * GIB]


def test_a_heartbeat_of_another_release_counts_with_what_it_says(valkey: redis.Redis) -> None:
    valkey.zadd(WORKERS_KEY, {"other": time.time()})
    valkey.set(worker_key("other"), b'{"state": "idle", "of_next_year": 1}')
    assert [(status.name, status.state) for status in capacity.statuses()] == [("other", "idle")]
    assert capacity.budgets() == [capacity.ANYBODYS_BYTES]


@pytest.mark.parametrize(
    ("module", "name", "problem"),
    [(wait, "wait_of", KeyError("x")), (statements, "receipt", DatabaseError("away"))],
)
def test_what_was_taken_is_answered_whatever_breaks_then(
    toy: Model,
    alice: Visitor,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    problem: Exception,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem

    before = ledger.balance(account=alice.workspace_id).held
    monkeypatch.setattr(module, name, fail)
    answer = client_of(alice).post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert answer.status_code == 200, answer.text
    made, generation = answer.json(), Generation.objects.get()
    assert (made["id"], made["status"]) == (str(generation.id), "queued")
    held = ledger.balance(account=alice.workspace_id).held - before
    assert held == generation.credits_quoted > 0
    assert made["lm"]["cost"] == {"quoted": held, "held": held, "charged": 0, "given_back": 0}


def test_the_short_answer_is_the_long_one_without_the_queue(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    long = presentation.video(generation)
    del long["lm"]["queue"]
    assert presentation._video(generation, seen=None, ours=presentation._ours(generation, None)) == long


def test_an_odd_entry_of_progress_hides_no_other(
    toy: Model, alice: Visitor, client_of: ClientOf, valkey: redis.Redis
) -> None:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    Generation.objects.update(state=State.RUNNING)
    said = Progress(kind="step", stage="denoising", step=3, steps_total=8)
    valkey.xadd(progress_key(str(generation.id)), {"event": "step", "data": json.dumps(said.to_wire())})
    nonsense: list[dict[Any, Any]] = [
        {"event": "step"},
        {"event": "step", "data": "{"},
        {"event": "step", "data": "[]"},
    ]
    for odd in nonsense:
        valkey.xadd(progress_key(str(generation.id)), odd)
    answer = client_of(alice).get(f"/v1/videos/{generation.id}")
    assert (answer.status_code, answer.json()["lm"]["step"]) == (200, 3)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_failure_of_ours_says_nothing_of_money(monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(well_known, "HttpResponse", fail)
    answer = Client(raise_request_exception=False).get("/robots.txt", headers={"Accept": accept})
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "charged" not in answer.text


def test_nor_does_one_of_the_api(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(presentation, "videos", fail)
    answer = client_of(alice).get("/v1/videos")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "charged" not in answer.text


def test_fleet_and_forecast_are_asked_of_valkey_in_one_journey(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(capacity.LEAST_WINDOW):
        factories.submitted(alice.workspace)
    dispatch.fill_window()
    browser, sent = client_of(alice), list[bytes]()
    send: Any = AbstractConnection.send_packed_command

    def noted(self: Any, command: Any, check_health: bool = True) -> None:
        sent.append(command if isinstance(command, bytes) else b"".join(command))
        send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", noted)
    made = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json").json()
    looked = [each for each in sent if WORKERS_KEY.encode() in each or PLACES_KEY.encode() in each]
    assert len(looked) == 1
    assert made["lm"]["queue"]["place"] == capacity.LEAST_WINDOW
    sent.clear()
    assert browser.get(f"/v1/videos/{made['id']}").json()["lm"]["queue"] == made["lm"]["queue"]
    assert len([each for each in sent if WORKERS_KEY.encode() in each or PLACES_KEY.encode() in each]) == 1


@pytest.mark.parametrize("key", [PLACES_KEY, CLIPS_KEY, queue_depth.ENTRY])
def test_a_forecast_in_another_form_stops_no_dispatch(
    toy: Model, alice: Visitor, client_of: ClientOf, valkey: redis.Redis, key: str
) -> None:
    valkey.delete(key)
    valkey.rpush(key, "odd")
    browser = client_of(alice)
    answer = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert (answer.status_code, Generation.objects.get().state) == (200, State.DISPATCHED)
    assert browser.get(f"/v1/videos/{answer.json()['id']}").json()["lm"]["queue"]["place"] == 0
