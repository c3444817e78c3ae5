"""Many who follow a clip together: each hears all of it once, and none costs the others anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection as database

from accounts.models import Visitor
from generation.api import events
from generation.live import broadcast, following, polling
from generation.models import Generation
from generation.settlement import settle
from tests.generation import factories
from tests.generation.streams import heard_by, step
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


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
    return following._broadcasters.get(asyncio.get_running_loop())


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
        heard = following.follow(running.id, "0-0", silence_seconds=PATIENCE_SECONDS)
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
            return [news async for news in following.follow(running.id, "0-0", silence_seconds=PATIENCE_SECONDS)]

        watchers = [asyncio.create_task(listen()) for _ in range(3)]
        (await until_all_follow())._thread.shutdown()  # as the interpreter does before it waits for threads
        heard = await asyncio.wait_for(asyncio.gather(*watchers), PATIENCE_SECONDS)
        tasks = {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        return [news for each in heard for news in each], tasks

    heard, tasks = async_to_sync(left_open)()
    assert not any(following._is_the_end(news) for news in heard)  # the clip goes on: a browser asks again
    assert tasks == set()


def test_what_swallows_its_cancelling_ends_all_the_same() -> None:
    """As the client of Valkey may, when a loop ends while somebody still watches."""

    class Swallowing:
        async def xread(self, *_: Any, **__: Any) -> dict[bytes, Any]:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return {}

    async def ended() -> bool:
        there = broadcast.Broadcaster()
        there._valkey, there._read_until[b"key"] = Swallowing(), "0-0"  # type: ignore[assignment]  # as far as it is asked
        await asyncio.sleep(0)
        for task in there._tasks:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*there._tasks, return_exceptions=True), PATIENCE_SECONDS)
        return all(task.done() for task in there._tasks)

    assert async_to_sync(ended)()
