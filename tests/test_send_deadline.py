"""A reader who does not read is let go, and what an answer holds with them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loremotion import send_deadline
from loremotion.send_deadline import SendDeadline

HTTP = {"type": "http", "path": "/"}


async def never(_: Any = None) -> Any:
    await asyncio.Event().wait()


async def answer_as_django_does(scope: Any, receive: Any, send: Any) -> None:
    """Send until the client has left, of which ``receive`` tells."""
    sending = asyncio.ensure_future(send({"type": "http.response.body"}))
    leaving = asyncio.ensure_future(receive())
    await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    scope["ended_by"] = leaving.result()["type"] if leaving.done() else "answered"
    for task in (sending, leaving):
        task.cancel()


def test_to_the_answer_an_idle_reader_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_deadline, "UNREAD_SECONDS", 0.01)
    scope: dict[str, Any] = dict(HTTP)
    asyncio.run(SendDeadline(answer_as_django_does)(scope, never, never))
    assert scope["ended_by"] == "http.disconnect"


def test_a_reader_who_reads_is_answered() -> None:
    async def take(message: Any) -> None:
        taken.append(message)

    taken: list[Any] = []
    scope: dict[str, Any] = dict(HTTP)
    asyncio.run(SendDeadline(answer_as_django_does)(scope, never, take))
    assert (scope["ended_by"], len(taken)) == ("answered", 1)


def test_what_comes_is_passed_on() -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"x"}

    async def hear(scope: Any, receive: Any, send: Any) -> None:
        scope["heard"] = [await receive(), await receive()]

    scope: dict[str, Any] = dict(HTTP)
    asyncio.run(SendDeadline(hear)(scope, receive, never))
    assert scope["heard"] == [{"type": "http.request", "body": b"x"}] * 2
