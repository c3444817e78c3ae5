"""Streams are counted for each reader, and are free again however they end."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.core import signals
from django.http import HttpRequest

from loremotion import request_threads
from loremotion.bodies import App
from loremotion.handler import OneThreadHandler
from loremotion.lasting import THREADS
from loremotion.refusals import TooMany
from loremotion.stream_limits import LimitedStream, StreamLimit
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parent.parent
READER = uuid4()
EVENTS = "/v1/videos/00000000-0000-4000-8000-000000000000/events"
SHARED = "lasting"
MANY = 2 * THREADS
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}


def test_every_streamed_answer_is_counted() -> None:
    """Django's own class has no limit: ours is made of it, and no answer is."""
    apps = ("accounts", "billing", "catalog", "generation", "loremotion")
    sources = (path for app in apps for path in (ROOT / app).rglob("*.py"))
    uncounted = [path for path in sources if re.search(r"\bStreamingHttpResponse\(.", path.read_text())]
    assert uncounted == []


def test_a_reader_has_so_many_at_once_and_others_their_own() -> None:
    limit = StreamLimit("files")
    taken = [limit.take(READER, most=2) for _ in range(2)]
    with pytest.raises(TooMany, match="2 files"):
        limit.take(READER, most=2)
    assert limit.take(uuid4(), most=2)
    assert limit.take(None, most=0)
    for slot in taken * 2:  # released twice, it counts once
        slot.release()
    taken = [limit.take(READER, most=2) for _ in range(2)]
    with pytest.raises(TooMany):
        limit.take(READER, most=2)


def test_all_readers_together_have_so_many_where_that_is_bounded() -> None:
    limit = StreamLimit("answers", most_in_all=2)
    taken = [limit.take(uuid4(), most=2) for _ in range(2)]
    with pytest.raises(TooMany, match="Too many answers"):
        limit.take(uuid4(), most=2)
    taken[0].release()
    assert limit.take(uuid4(), most=2)


async def read(site: App, path: str) -> bytes:
    """Everything that a reader who stays is sent."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])
    sent = bytearray()

    async def receive() -> dict[str, Any]:
        if (message := next(messages, None)) is None:
            await asyncio.Event().wait()
        return message or {}

    async def send(message: Mapping[str, Any]) -> None:
        sent.extend(message.get("body", b""))

    await site({**SCOPE, "path": path}, receive, send)
    return bytes(sent)


@pytest.mark.parametrize(("path", "keeps_thread"), [("/", False), ("/", True), (EVENTS, False)])
def test_a_stream_that_waits_gives_up_the_thread_of_its_request(
    path: str, keeps_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of them have ``THREADS`` together."""
    streaming = set[threading.Thread]()
    laid_by: Queue[Executor] = Queue()
    monkeypatch.setattr(request_threads, "_laid_by", lambda thread, is_idle: laid_by.put(thread))

    def answer(request: HttpRequest) -> LimitedStream:
        has_its_own = not threading.current_thread().name.startswith(SHARED)

        async def parts() -> AsyncIterator[bytes]:
            streaming.add(await sync_to_async(threading.current_thread)())
            if has_its_own and not keeps_thread:  # it idles for nobody while the answer waits
                await asyncio.to_thread(laid_by.get, timeout=PATIENCE_SECONDS)
            yield b"late"

        return LimitedStream(parts(), slot=limit.take(READER, most=MANY), keeps_thread=keeps_thread)

    async def ask_all() -> list[bytes]:
        return await asyncio.gather(*(read(handler, path) for _ in range(MANY)))

    limit = StreamLimit("answers")
    handler = OneThreadHandler()
    handler.get_response = answer  # type: ignore[method-assign]
    assert asyncio.run(ask_all()) == [b"late"] * MANY
    assert len(streaming) == (MANY if keeps_thread else THREADS)
    assert limit.take(READER, most=1), "the answers were closed"


def test_whoever_hangs_up_while_the_answer_is_made_keeps_no_slot() -> None:
    limit = StreamLimit("files")
    has_begun, may_end = threading.Event(), threading.Event()

    def answer(request: HttpRequest) -> LimitedStream:
        slot = limit.take(READER, most=1)
        has_begun.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return LimitedStream([b"late"], slot=slot)

    async def hang_up() -> None:
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, Any]:
            if (message := next(messages, None)) is not None:
                return message
            await asyncio.to_thread(has_begun.wait, PATIENCE_SECONDS)
            asyncio.get_running_loop().call_soon(may_end.set)  # once the request has been given up
            return {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            pytest.fail("nobody is there")

        await handler(SCOPE, receive, send)

    handler = OneThreadHandler()
    handler.get_response = answer  # type: ignore[method-assign]
    asyncio.run(hang_up())
    assert has_begun.is_set()
    assert limit.take(READER, most=1)


@pytest.fixture
def ended() -> Iterator[list[threading.Thread]]:
    """The thread on which each request ended: where it gives its connection back."""
    ended: list[threading.Thread] = []

    def note(**_: Any) -> None:
        ended.append(threading.current_thread())

    signals.request_finished.connect(note)
    yield ended
    signals.request_finished.disconnect(note)


def test_a_stream_that_breaks_off_is_closed_on_its_thread(ended: list[threading.Thread]) -> None:
    limit = StreamLimit("files")
    streaming: list[threading.Thread] = []

    def broken() -> bytes:
        streaming.append(threading.current_thread())
        raise OSError("the disk is gone")

    async def parts() -> AsyncIterator[bytes]:
        yield b"part"
        yield await sync_to_async(broken)()

    handler = OneThreadHandler()
    responses = [LimitedStream(parts(), slot=limit.take(READER, most=1))]
    handler.get_response = lambda request: responses[0]  # type: ignore[method-assign]
    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(read(handler, "/"))
    assert responses[0].closed
    assert ended == streaming
    assert limit.take(READER, most=1)


def test_so_is_the_one_that_a_server_calls_off_as_it_stops(ended: list[threading.Thread]) -> None:
    limit = StreamLimit("files")
    streaming: list[threading.Thread] = []

    async def parts() -> AsyncIterator[bytes]:
        streaming.append(await sync_to_async(threading.current_thread)())
        requests[0].cancel()
        await asyncio.Event().wait()
        yield b"never"

    async def stop() -> None:
        requests.append(asyncio.create_task(read(handler, "/")))
        await asyncio.wait(requests)

    requests: list[asyncio.Task[bytes]] = []
    handler = OneThreadHandler()
    responses = [LimitedStream(parts(), slot=limit.take(READER, most=1))]
    handler.get_response = lambda request: responses[0]  # type: ignore[method-assign]
    asyncio.run(stop())
    assert requests[0].cancelled()
    assert responses[0].closed
    assert ended == streaming
    assert limit.take(READER, most=1)


def test_a_request_that_has_no_answer_has_an_end(ended: list[threading.Thread]) -> None:
    def fail(request: HttpRequest) -> LimitedStream:
        failed.append(threading.current_thread())
        raise SystemError("not an answer, not even to an error")

    failed: list[threading.Thread] = []
    handler = OneThreadHandler()
    handler.get_response = fail  # type: ignore[method-assign]
    with pytest.raises(SystemError):
        asyncio.run(read(handler, "/"))
    assert ended == failed
