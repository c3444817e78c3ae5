"""A request has a thread for itself, and leaves it to the next one."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Executor, ThreadPoolExecutor
from queue import Queue

import pytest
from asgiref.sync import sync_to_async

from loremotion import request_threads
from loremotion.request_threads import own_thread
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def left(monkeypatch: pytest.MonkeyPatch) -> Queue[Executor]:
    """Threads that were left, as they leave. Each test begins with none."""
    left: Queue[Executor] = Queue()
    lay_by = request_threads._laid_by

    def noted(thread: ThreadPoolExecutor, *, is_idle: bool) -> None:
        lay_by(thread, is_idle=is_idle)
        left.put(thread)

    monkeypatch.setattr(request_threads, "_idle", deque())
    monkeypatch.setattr(request_threads, "_laid_by", noted)
    return left


async def thread_of_a_request() -> threading.Thread:
    async with own_thread():
        first = await sync_to_async(threading.current_thread)()
        assert await sync_to_async(threading.current_thread)() is first
    return first


def test_the_next_request_gets_the_thread_of_the_last(left: Queue[Executor]) -> None:
    first = asyncio.run(thread_of_a_request())
    left.get(timeout=PATIENCE_SECONDS)
    assert asyncio.run(thread_of_a_request()) is first


def test_two_at_once_have_one_each() -> None:
    both = threading.Barrier(2)

    async def meet() -> threading.Thread:
        async with own_thread():
            await sync_to_async(both.wait)(PATIENCE_SECONDS)
            return await sync_to_async(threading.current_thread)()

    async def two() -> tuple[threading.Thread, threading.Thread]:
        return await asyncio.gather(meet(), meet())

    first, second = asyncio.run(two())
    assert first is not second


def test_what_goes_on_for_a_reader_who_left_keeps_nobody_waiting(left: Queue[Executor]) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        has_begun.set()
        assert may_end.wait(PATIENCE_SECONDS)

    async def begin() -> None:
        async with own_thread():
            await sync_to_async(work)()

    async def leave_it() -> None:
        request = asyncio.create_task(begin())
        await asyncio.to_thread(has_begun.wait, PATIENCE_SECONDS)
        request.cancel()
        await asyncio.wait([request])
        await thread_of_a_request()  # of somebody else's
        left.get(timeout=PATIENCE_SECONDS)
        assert left.empty(), "the first is at it still"
        may_end.set()
        left.get(timeout=PATIENCE_SECONDS)

    asyncio.run(leave_it())


def test_threads_beyond_those_that_may_wait_end(left: Queue[Executor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_threads, "MOST_IDLE", 0)
    thread = asyncio.run(thread_of_a_request())
    left.get(timeout=PATIENCE_SECONDS)
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
