"""Live events: what was missed is replayed, and the end always comes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.core import signing
from django.db import connection as database
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey, Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api import events
from generation.live import broadcast, polling, progress
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import settle
from gpu_worker.contract import Outcome, Progress, progress_key
from loremotion.valkey import connection
from tests.accounts.factories import person, team
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


def follow(visitor: Visitor, generation: Generation, *, last_id: str = "", least: int = 1) -> list[dict[str, str]]:
    """The events that a browser of ``visitor`` gets until ``done``, or until there are ``least``."""

    async def listen() -> list[dict[str, str]]:
        browser = AsyncClient()
        browser.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
        headers = {"Last-Event-ID": last_id} if last_id else {}
        answer: Any = await browser.get(f"/generations/{generation.id}/events/", headers=headers)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/event-stream"
        heard: list[dict[str, str]] = []
        chunks: AsyncIterator[bytes] = aiter(answer.streaming_content)
        async for chunk in chunks:
            event = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines() if ": " in line)
            if "event" in event:
                heard.append(event)
            if event.get("event") == "done" or len(heard) >= least:
                break
        await chunks.aclose()  # type: ignore[attr-defined]
        return heard

    return async_to_sync(listen)()


def reopened(visitor: Visitor, generation: Generation, *, last_id: str) -> int:
    """What an EventSource is answered that comes back after ``last_id``."""
    browser = Client()
    browser.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
    return browser.get(f"/v1/videos/{generation.id}/events", headers={"Last-Event-ID": last_id}).status_code


def publish_steps(generation_id: UUID, count: int) -> None:
    progress.publish(generation_id, Progress(kind="stage", stage="denoising"))
    for step in range(1, count + 1):
        progress.publish(generation_id, Progress(kind="step", stage="denoising", step=step, steps_total=count))


def forge(valkey: redis.Redis, generation: Generation, event: str | bytes, entry_id: str = "*", **data: Any) -> None:
    """Write an entry as a GPU host can that wants to."""
    fields: Any = {"event": event, "data": json.dumps(data)}
    valkey.xadd(progress_key(str(generation.id)), fields, id=entry_id)


@pytest.fixture
def running(toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    settle.start(generation_id=generation.id, attempt=1, worker="gpu-test")
    generation.refresh_from_db()
    return generation


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
    assert "No GPU worker takes clips" in heard[0]["data"]


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


# --- many who watch, together --------------------------------------------------------------------------------------


async def heard_by(generation_id: UUID, after: str = "0-0", *, last: int) -> list[int]:
    """The steps that one watcher hears, up to step ``last``."""
    steps: list[int] = []
    stream = events._follow(generation_id, after)
    async for chunk in stream:
        found = re.search(r'"step": (\d+)', chunk)
        if "event: step" in chunk and found:
            steps.append(int(found[1]))
            if steps[-1] >= last:
                break
    await stream.aclose()  # type: ignore[attr-defined]
    return steps


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def step(generation_id: UUID, number: int) -> None:
    progress.publish(generation_id, Progress(kind="step", stage="denoising", step=number, steps_total=99))


def test_whoever_joins_whenever_hears_each_step_once_and_in_order(running: Generation) -> None:
    async def together() -> list[list[int]]:
        publish = sync_to_async(step, thread_sensitive=False)
        watchers = []
        for number in range(1, 31):
            if number % 5 == 1:  # some before anything is there, some in the middle of it
                watchers += [asyncio.create_task(heard_by(running.id, last=30)) for _ in range(4)]
            await publish(running.id, number)
        return await asyncio.wait_for(asyncio.gather(*watchers), PATIENCE_SECONDS)

    assert async_to_sync(together)() == [list(range(1, 31))] * 24


def board() -> broadcast.Broadcaster | None:
    return broadcast._broadcasters.get(asyncio.get_running_loop())


async def until_all_follow() -> broadcast.Broadcaster:
    """Until everybody has been told what there was, and hears the rest as it comes."""
    await until(lambda: (there := board()) is not None and bool(there._read_until))
    there = board()
    assert there is not None
    return there


def test_what_one_says_to_have_heard_keeps_nothing_from_the_others(running: Generation) -> None:
    lie = "9" * 18 + "-0"

    async def together() -> list[int]:
        liar = asyncio.create_task(heard_by(running.id, lie, last=2))
        read_until = (await until_all_follow())._read_until
        assert lie not in read_until.values()
        honest = asyncio.create_task(heard_by(running.id, last=2))
        for number in (1, 2):
            await sync_to_async(step, thread_sensitive=False)(running.id, number)
        heard = await asyncio.wait_for(honest, PATIENCE_SECONDS)
        liar.cancel()
        return heard

    assert async_to_sync(together)() == [1, 2]


def test_who_is_too_slow_is_caught_up_and_holds_no_memory_meanwhile(
    running: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "MAX_BACKLOG", 3)

    async def slowly() -> list[int]:
        publish = sync_to_async(step, thread_sensitive=False)
        heard = broadcast.follow(running.id, "0-0", silence_seconds=PATIENCE_SECONDS)
        first = asyncio.create_task(anext(heard))
        there = await until_all_follow()
        await publish(running.id, 1)
        entries = [await first]
        for number in range(2, 21):  # it holds still, and more comes than is kept for it
            await publish(running.id, number)
        await until(lambda: all(watch.is_behind for watch in there._subscriptions[running.id]))
        while len(entries) < 20:
            news = await anext(heard)
            entries += [news] if news is not None else []
        await heard.aclose()
        return [json.loads(entry.data)["step"] for entry in entries if isinstance(entry, broadcast.Entry)]

    assert async_to_sync(slowly)() == list(range(1, 21))


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


def test_an_end_that_the_stream_says_is_heard_at_once(running: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "POLL_SECONDS", 10 * PATIENCE_SECONDS)  # nobody finds it out by looking

    def end() -> None:
        factories.deliver_clip(running)
        settle.settle(factories.report(running))
        database.close()  # of this thread alone

    async def to_the_end() -> list[str]:
        stream = events._follow(running.id, "0-0")
        heard = asyncio.create_task(_all_of(stream))
        await until_all_follow()
        await sync_to_async(end, thread_sensitive=False)()
        return await asyncio.wait_for(heard, PATIENCE_SECONDS)

    assert "event: done" in async_to_sync(to_the_end)()[-1]


async def _all_of(stream: AsyncIterator[str]) -> list[str]:
    return [chunk async for chunk in stream]


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


def test_a_look_takes_as_many_queries_for_many_as_for_one(
    running: Generation, alice: Visitor, django_assert_num_queries: Callable[..., Any]
) -> None:
    Generation.objects.update(state="running")
    many = [running.id, *(uuid4() for _ in range(500))]
    for ids in (many[:1], many):
        with django_assert_num_queries(1):
            snapshots = polling.snapshots_of(ids, set(ids))
        assert snapshots[running.id] == polling.UNKNOWN
    assert snapshots[many[-1]].is_over  # erased meanwhile


def test_when_the_last_has_left_nothing_goes_on(running: Generation, valkey: redis.Redis) -> None:
    before = len(valkey.client_list())

    async def come_and_go() -> set[str]:
        step(running.id, 1)
        await asyncio.gather(*(heard_by(running.id, last=1) for _ in range(20)))
        return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert async_to_sync(come_and_go)() == set()
    async_to_sync(until)(lambda: len(valkey.client_list()) <= before)  # others of this process may end meanwhile


def test_a_process_that_ends_lets_everybody_go(running: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "POLL_SECONDS", 0.01)

    async def left_open() -> tuple[list[broadcast.Update], set[str]]:
        async def listen() -> list[broadcast.Update]:
            return [news async for news in broadcast.follow(running.id, "0-0", silence_seconds=PATIENCE_SECONDS)]

        watchers = [asyncio.create_task(listen()) for _ in range(3)]
        (await until_all_follow())._thread.shutdown()  # as the interpreter does before it waits for threads
        heard = await asyncio.wait_for(asyncio.gather(*watchers), PATIENCE_SECONDS)
        tasks = {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        return [news for each in heard for news in each], tasks

    heard, tasks = async_to_sync(left_open)()
    assert not any(broadcast._is_the_end(news) for news in heard)  # the clip goes on: a browser asks again
    assert tasks == set()


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
