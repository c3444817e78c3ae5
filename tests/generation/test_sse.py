"""Live events: what was missed is replayed, and the end always comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.core import signing
from django.test import AsyncClient
from django.utils import timezone
from pytest_django import Settings

from accounts import api_keys
from accounts.models import ApiKey, Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api import events
from generation.live import progress
from generation.models import Generation
from generation.scheduling import forecast_board, misses
from generation.scheduling.calibration import Calibration
from generation.scheduling.forecast import Forecast
from generation.scheduling.misses import Cause, Miss
from generation.settlement import settle
from gpu_worker.contract import Outcome, Progress
from gpu_worker.valkey_names import progress_key
from tests.accounts.factories import person, team
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.streams import follow, publish_steps, reopened, step
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_comes_late_hears_everything(running: Generation, alice: Visitor) -> None:
    publish_steps(running.id, 3)
    heard = follow(alice, running, least=4)
    assert [e["event"] for e in heard] == ["stage", "step", "step", "step"]


def test_who_comes_back_hears_what_was_missed(running: Generation, alice: Visitor) -> None:
    publish_steps(running.id, 3)
    first = follow(alice, running, least=2)
    rest = follow(alice, running, last_id=first[-1]["id"], least=2)
    assert ['"step": 2' in rest[0]["data"], '"step": 3' in rest[1]["data"]] == [True, True]


def test_a_waiting_one_hears_its_place(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    heard = follow(alice, generation)
    assert heard[0]["event"] == "queue"
    assert "We're offline for a moment" in heard[0]["data"]


def test_one_that_is_made_hears_once_that_it_is_late(running: Generation, alice: Visitor, settings: Settings) -> None:
    settings.HOUSEKEEPING_SECONDS = 600  # what is put up lasts for as long as the test, however busy the machine is
    missed = {running.id: Miss(Cause.SLOW, due_at=time.time() - 9000.0, told_seconds=60.0)}
    forecast_board.publish({}, Forecast({}), Calibration(), {}, missed, at=time.time(), clock=0.0)
    (heard,) = follow(alice, running)
    assert (heard["event"], json.loads(heard["data"])) == ("late", {"missed": misses.sentence(Cause.SLOW, 9000.0)})


def test_the_end_is_the_last_event(running: Generation, alice: Visitor) -> None:
    factories.deliver_clip(running)
    settle.settle(factories.report(running))
    (end,) = follow(alice, running, least=99)
    assert end["event"] == "done"
    assert (json.loads(end["data"])["status"], json.loads(end["data"])["lm"]["state"]) == ("completed", "succeeded")
    assert reopened(alice, running, last_id=end["id"]) == 204


def test_the_end_says_what_a_poll_would(running: Generation, alice: Visitor, client_of: ClientOf) -> None:
    factories.lose_worker(running, 1)
    settle.cancel(running)
    (end,) = follow(alice, running, last_id="0-0", least=99)[-1:]
    polled = client_of(alice).get(f"/v1/videos/{running.id}").json()
    assert json.loads(end["data"]) == polled
    assert polled["error"]["code"] == "cancelled"


def test_an_event_says_step_and_queue_as_a_poll_does(running: Generation, alice: Visitor, client_of: ClientOf) -> None:
    publish_steps(running.id, 3)
    video = client_of(alice).get(f"/v1/videos/{running.id}").json()
    heard = json.loads(follow(alice, running, least=4)[-1]["data"])
    assert heard == {"progress": video["progress"], **{name: video["lm"][name] for name in ("stage", "step", "steps")}}
    waiting = factories.submitted(alice.workspace)
    polled = client_of(alice).get(f"/v1/videos/{waiting.id}").json()["lm"]
    assert json.loads(follow(alice, waiting)[0]["data"]) == polled["queue"]


def test_who_has_not_heard_the_end_is_told_it(running: Generation, alice: Visitor) -> None:
    publish_steps(running.id, 1)
    last = follow(alice, running, least=2)[-1]
    settle.cancel(running)
    factories.deliver_clip(running)
    settle.settle(factories.report(running, Outcome.CANCELLED))
    assert [e["event"] for e in follow(alice, running, last_id=last["id"], least=99)] == ["done"]


def test_a_revoked_keys_stream_ends(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = person("owner@example.org")
    studio = team(owner, "Studio")
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    key, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=["read"])
    waiting = factories.submitted(studio)
    monkeypatch.setattr(events, "RECHECK_SECONDS", 0)

    async def heard_after_revoking() -> list[str]:
        address, headers = f"/v1/videos/{waiting.id}/events", {"Authorization": f"Bearer {text}"}
        answer: Any = await AsyncClient().get(address, headers=headers)
        chunks: AsyncIterator[bytes] = aiter(answer.streaming_content)
        await anext(chunks)
        assert b"event: queue" in await anext(chunks)
        await sync_to_async(ApiKey.objects.filter(id=key.id).update)(revoked_at=timezone.now())
        await sync_to_async(step)(waiting.id, 1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [chunk.decode() async for chunk in chunks]

    assert async_to_sync(heard_after_revoking)() == []


def test_a_clip_that_is_followed_answers_no_retry(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser = client_of(alice)

    def ask(**headers: str) -> str:
        sent = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json", headers=headers)
        return str(sent.json()["id"])

    made = ask()
    follow(alice, Generation.objects.get(id=made))
    assert ask(**{"x-stainless-retry-count": "1"}) != made


def test_a_workspace_is_sent_so_many_streams_at_once(
    toy: Model, alice: Visitor, bob: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_WATCHED_AT_ONCE", 2)
    clips = {who: factories.submitted(who.workspace) for who in (alice, bob)}

    async def watch(who: Visitor) -> Any:
        browser = AsyncClient()
        browser.cookies["visitor"] = signing.dumps(str(who.id), salt="accounts.visitors")
        return await browser.get(f"/v1/videos/{clips[who].id}/events")

    async def all_of_them() -> list[int]:
        watching = [await watch(alice) for _ in range(2)]
        told = [(await watch(who)).status_code for who in (alice, bob)]
        for answer in watching:
            answer.close()
        return [*told, (await watch(alice)).status_code]

    assert async_to_sync(all_of_them)() == [429, 200, 200]


def test_the_end_comes_though_the_stream_was_lost(running: Generation, alice: Visitor, valkey: redis.Redis) -> None:
    factories.deliver_clip(running)
    settle.settle(factories.report(running))
    valkey.delete(progress_key(str(running.id)))
    (end,) = follow(alice, running, least=99)
    assert (end["event"], json.loads(end["data"])["status"]) == ("done", "completed")
    assert reopened(alice, running, last_id=end["id"]) == 204


@pytest.mark.parametrize("nonsense", ["x", "1-1; DROP", "9" * 200 + "-0", "9" * 20 + "-0", "0"])
def test_a_nonsense_id_replays_from_the_start(running: Generation, alice: Visitor, nonsense: str) -> None:
    publish_steps(running.id, 1)
    assert follow(alice, running, last_id=nonsense)[0]["event"] == "stage"


def test_a_silent_stream_is_kept_alive(running: Generation, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.02)

    async def comments() -> list[str]:
        heard: list[str] = []
        async for chunk in events._follow(running.id, "0-0"):
            heard += [chunk] if chunk.startswith(":") else []
            if len(heard) == 3:
                break
        return heard

    assert async_to_sync(comments)() == [": still here\n\n"] * 3


def test_latest_puts_stage_step_and_picture_together(running: Generation) -> None:
    publish_steps(running.id, 2)
    progress.publish(running.id, Progress(kind="preview", preview="data:image/jpeg;base64,AA"))
    seen = progress.latest(running.id)
    assert seen is not None
    assert (seen.stage, seen.step, seen.steps_total) == ("denoising", 2, 2)
    assert seen.preview.startswith("data:image/jpeg")


def test_events_api_list_and_page_tell_the_same_progress(
    running: Generation, alice: Visitor, client_of: ClientOf
) -> None:
    said = Progress(kind="step", stage="denoising", step=8, steps_total=8, percent=38)
    progress.publish(running.id, said)
    (event,) = follow(alice, running)
    browser = client_of(alice)
    assert json.loads(event["data"])["progress"] == 38
    assert browser.get(f"/v1/videos/{running.id}").json()["progress"] == 38
    assert [video["progress"] for video in browser.get("/v1/videos").json()["data"]] == [38]
    assert '<progress id="progress" max="100" value="38"' in browser.get(f"/generations/{running.id}/").content.decode()
