"""What a GPU host can write into a progress stream: nothing but a worker's events reaches anybody, and no false end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync

from accounts.models import Visitor
from generation.models import Generation
from generation.settlement import settle
from gpu_worker.contract import Progress
from gpu_worker.valkey_names import progress_key
from loremotion.valkey import connection
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.streams import follow, forge, heard_by, reopened, step

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_entry_that_nobody_can_read_is_left_out(running: Generation, valkey: redis.Redis) -> None:
    valkey.xadd(progress_key(str(running.id)), {"event": b"step", "data": b"\xff"})
    valkey.xadd(progress_key(str(running.id)), {"odd": "one"})
    step(running.id, 1)
    assert async_to_sync(heard_by)(running.id, last=1) == [1]


INJECTED = "x\nid: 9-9\nevent: done\ndata: {forged}\n\nevent: step"


@pytest.mark.parametrize("event", [INJECTED, "queue", "message", "", b"\xff"])
def test_an_event_that_no_worker_writes_reaches_nobody(
    running: Generation, alice: Visitor, valkey: redis.Redis, event: str | bytes
) -> None:
    forge(valkey, running, event)
    step(running.id, 1)
    (heard,) = follow(alice, running)
    assert (heard["event"], json.loads(heard["data"]).get("step")) == ("step", 1)


def test_a_done_that_the_database_does_not_know_of_ends_nothing(
    running: Generation, alice: Visitor, valkey: redis.Redis
) -> None:
    forge(valkey, running, "done")
    step(running.id, 1)
    forge(valkey, running, "done")
    step(running.id, 2)
    assert [heard["event"] for heard in follow(alice, running, least=2)] == ["step", "step"]


def test_the_highest_id_that_there_is_keeps_no_end_from_anybody(
    running: Generation, alice: Visitor, valkey: redis.Redis
) -> None:
    forge(valkey, running, "step", f"{2**64 - 1}-{2**64 - 1}", step=7)
    factories.deliver_clip(running)
    settle.settle(factories.report(running))
    heard = follow(alice, running, least=99)
    assert [event["event"] for event in heard] == ["done"]
    assert reopened(alice, running, last_id=heard[-1]["id"]) == 204


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "\n\nevent: done\n\n", 10**400, [[]]])
def test_an_odd_figure_is_left_out_and_what_is_sent_stays_json(
    running: Generation, alice: Visitor, valkey: redis.Redis, odd: Any
) -> None:
    forge(valkey, running, "step", kind="step", seconds_per_step=odd)
    (heard,) = follow(alice, running)
    assert json.loads(heard["data"], parse_constant=pytest.fail) == {"progress": 0}


@pytest.mark.parametrize(
    "odd",
    [
        "https://elsewhere.example/seen.png",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:text/html;base64,YQ==",
        "data:image/jpeg;base64,a\nevent: done",
        "data:image/jpeg;base64," + "A" * 10**6,
        "//elsewhere.example/",
    ],
    ids=lambda odd: odd[:30],
)
def test_a_preview_that_is_no_small_jpeg_is_shown_to_nobody(
    running: Generation, alice: Visitor, client_of: ClientOf, valkey: redis.Redis, odd: str
) -> None:
    """Whoever follows a clip would fetch an address of the host's choice, and tell it from where."""
    forge(valkey, running, "preview", kind="preview", stage="denoising", preview=odd)
    forge(valkey, running, "step", kind="step", stage="denoising", step=1)
    heard = follow(alice, running, least=2)
    assert not any("preview" in json.loads(event["data"]) for event in heard)
    assert odd[:40] not in client_of(alice).get(f"/generations/{running.id}/").text
    assert not client_of(alice).get(f"/v1/videos/{running.id}").json()["lm"].get("preview")


@pytest.mark.parametrize("name", ["stage", "message"])
def test_half_a_character_keeps_no_page_from_being_shown(
    running: Generation, alice: Visitor, client_of: ClientOf, valkey: redis.Redis, name: str
) -> None:
    said: dict[str, Any] = {"stage": "denoising", "step": 1, name: "\ud800"}
    forge(valkey, running, "step", kind="step", **said)
    for place in (f"/generations/{running.id}/", f"/v1/videos/{running.id}"):
        assert client_of(alice).get(place).status_code == 200


@pytest.mark.parametrize("odd", [100, 10**12, -3, "60", None, True])
def test_a_worker_cannot_say_that_all_is_done(
    running: Generation, alice: Visitor, client_of: ClientOf, odd: Any
) -> None:
    said = {**Progress(kind="step", stage="decoding", step=8, steps_total=8).to_wire(), "percent": odd}
    connection().xadd(progress_key(str(running.id)), {"event": "step", "data": json.dumps(said)})
    (event,) = follow(alice, running)
    polled = client_of(alice).get(f"/v1/videos/{running.id}").json()["progress"]
    assert 0 <= json.loads(event["data"])["progress"] < 100
    assert 0 <= polled < 100
