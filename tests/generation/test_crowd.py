"""Many who watch at once leave room for those who come: a watcher costs neither a thread nor a connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import redis

from gpu_worker.valkey_names import progress_key
from loremotion.lasting import THREADS
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.patience import PATIENCE_SECONDS
from tests.prepared_site import NewSite

WATCHERS = 400
POOL = 2


@pytest.fixture(scope="module")
def small_site(new_site: NewSite) -> Iterator[Stack]:
    """A site with few database connections and nobody who renders, so that everybody waits."""
    with Stack(
        new_site("crowd"), is_prepared=True, processes=("web",), settings={"DATABASE_POOL_SIZE": str(POOL)}
    ) as running:
        yield running


@pytest.fixture
def video(small_site: Stack) -> Iterator[tuple[Visitor, str]]:
    """A clip that waits, and who made it."""
    with Visitor(small_site.url) as visitor:
        yield visitor, str(visitor.create("a red circle")["id"])


async def hear(lines: AsyncIterator[str], event: str) -> str:
    """The data of the next ``event``."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in lines:
            if line == f"event: {event}":
                return (await anext(lines)).removeprefix("data: ")
    raise AssertionError(f"the stream ended without {event}")


def threads_of(site: Stack) -> int:
    return psutil.Process(site.pid("web")).num_threads()


def test_hundreds_watch_through_one_process_with_a_handful_of_threads_and_connections(
    small_site: Stack, video: tuple[Visitor, str]
) -> None:
    visitor, video_id = video
    valkey = redis.Redis.from_url(small_site.stores.redis_url)
    threads_before = threads_of(small_site)
    connections_before = len(valkey.client_list())

    async def watch_all() -> list[str]:
        limits = httpx.Limits(max_connections=None)
        client = httpx.AsyncClient(cookies=visitor.client.cookies, limits=limits, timeout=PATIENCE_SECONDS)
        async with client, AsyncExitStack() as streams:

            async def watch() -> AsyncIterator[str]:
                address = f"{small_site.url}/generations/{video_id}/events/"
                answer = await streams.enter_async_context(client.stream("GET", address))
                assert answer.status_code == 200
                lines = answer.aiter_lines()
                await hear(lines, "queue")
                return lines

            watchers = await asyncio.gather(*(watch() for _ in range(WATCHERS)))
            # One thread for looking into the database, a few to find out who asks; and whatever answers a page.
            assert threads_of(small_site) - threads_before <= THREADS + 4
            assert len(valkey.client_list()) - connections_before <= 12
            with psycopg.connect(small_site.stores.database_url) as database:
                found: Any = database.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()
                assert found[0] <= POOL + 1  # the pool, and the one with which it checks
            assert (await client.get(small_site.url)).status_code == 200
            valkey.xadd(
                progress_key(video_id), {"event": "step", "data": json.dumps({"sent_at": time.monotonic(), "step": 1})}
            )
            return await asyncio.gather(*(hear(lines, "step") for lines in watchers))

    heard = asyncio.run(watch_all())
    assert len(heard) == WATCHERS
    assert visitor.video(video_id)["status"] == "queued"
