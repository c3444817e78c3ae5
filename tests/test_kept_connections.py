"""Requests on one connection have nothing of each other, also where the next is there before the last has ended."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from uvicorn.protocols.http.h11_impl import H11Protocol

from gpu_worker import log_context
from loremotion import row_security
from loremotion.bodies import App
from loremotion.handler import OneThreadHandler
from loremotion.header_deadline import HeaderDeadline
from loremotion.request_ids import RequestIds
from loremotion.row_security import Bounds
from loremotion.stream_limits import LimitedStream, StreamLimit
from tests.patience import PATIENCE_SECONDS

WHOLE, STREAM, SHARED_STREAM, EVENTS = (
    "/whole",
    "/stream",
    "/shared-stream",
    "/v1/videos/00000000-0000-4000-8000-000000000000/events",
)
PATHS = (WHOLE, STREAM, SHARED_STREAM, EVENTS)
_left_behind: ContextVar[str] = ContextVar("left_behind", default="nothing")
limit = StreamLimit("answers")


@contextmanager
def served(app: App, protocol: type[H11Protocol] = HeaderDeadline) -> Iterator[socket.socket]:
    """A connection to ``app``. At the end of the block all of its requests have ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(cast(Any, app), http=protocol, lifespan="off", log_config=None, timeout_keep_alive=600)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=PATIENCE_SECONDS) as line:
                yield line
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)


def ask(line: socket.socket, *paths: str) -> None:
    """Say all of it at once: the next is there when the last ends, as it is where a proxy reuses the connection once it
    has as many bytes as were announced."""
    line.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: site\r\n\r\n".encode() for path in paths))


def answers_on(line: socket.socket, how_many: int) -> list[tuple[int, str]]:
    """Status and body of each."""
    answers, reader = [], line.makefile("rb")
    for _ in range(how_many):
        status = int(reader.readline().split()[1])
        length = int(http.client.parse_headers(reader)["Content-Length"])
        answers.append((status, reader.read(length).decode()))
    return answers


def answer(request: HttpRequest) -> HttpResponseBase:
    if request.path == WHOLE:
        return HttpResponse(b"done", headers={"Content-Length": "4"})

    async def parts() -> AsyncIterator[bytes]:
        yield await sync_to_async(lambda: b"done")()
        await sync_to_async(lambda: None)()  # once more for the end, as files do

    slot = limit.take("reader", most=100)
    return LimitedStream(parts(), slot=slot, keeps_thread=request.path == STREAM, headers={"Content-Length": "4"})


@pytest.mark.parametrize("protocol", [H11Protocol, HeaderDeadline])
@pytest.mark.parametrize("first", PATHS)
def test_what_is_asked_before_an_answer_has_ended_is_answered(first: str, protocol: type[H11Protocol]) -> None:
    """Also by a server that begins the next in the context of the one before."""
    handler = OneThreadHandler()
    handler.get_response = answer  # type: ignore[method-assign]
    with served(handler, protocol) as line:
        ask(line, *[path for path in PATHS for path in (first, path)])
        assert answers_on(line, 2 * len(PATHS)) == [(200, "done")] * 2 * len(PATHS)
        ask(line, first)
        assert answers_on(line, 1) == [(200, "done")]
    assert limit.take("reader", most=1), "the answers were closed"


def test_the_next_has_another_thread_than_the_one_that_has_not_ended() -> None:
    is_closed, waited = threading.Event(), list[bool]()

    def wait_for_the_first(request: HttpRequest) -> HttpResponseBase:
        response = answer(request)
        if request.path == STREAM:
            response._resource_closers.append(is_closed.set)  # type: ignore[attr-defined]  # not in its stubs
        else:
            waited.append(is_closed.wait(PATIENCE_SECONDS))
        return response

    handler = OneThreadHandler()
    handler.get_response = wait_for_the_first  # type: ignore[method-assign]
    with served(handler, H11Protocol) as line:
        ask(line, STREAM, WHOLE)
        assert answers_on(line, 2) == [(200, "done")] * 2
    assert waited == [True]


@pytest.mark.parametrize("path", PATHS)
def test_language_bounds_and_ids_are_those_of_the_request_alone(path: str) -> None:
    def seen() -> str:
        found = f"{translation.get_language()} {row_security.sight()} {log_context.current(log_context.GENERATION_ID)}"
        return f"{found} {_left_behind.get()}"

    def leave_behind(request: HttpRequest) -> HttpResponseBase:
        seen_by_each.append(seen())
        _left_behind.set("something")
        translation.activate("de")
        row_security._bounds.set(Bounds())
        log_context._ids.set({log_context.GENERATION_ID: "theirs"})
        return answer(request)

    seen_by_each = list[str]()
    handler = OneThreadHandler()
    handler.get_response = leave_behind  # type: ignore[method-assign]
    with served(RequestIds(handler)) as line:
        ask(line, path, path)
        assert answers_on(line, 2) == [(200, "done")] * 2
    assert len(seen_by_each) == 2
    assert set(seen_by_each) == {f"en {row_security._outside_requests}  nothing"}
