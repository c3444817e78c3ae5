"""Answers that last have places, which come back however the answer ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpRequest

from loremotion.handler import OneThreadHandler
from loremotion.places import PlacedStream, Places
from loremotion.refusals import TooMany
from tests.patience import PATIENCE_SECONDS

READER = uuid4()
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}


def test_a_reader_has_so_many_at_once_and_others_their_own() -> None:
    places = Places("files")
    taken = [places.take(READER, most=2) for _ in range(2)]
    with pytest.raises(TooMany, match="2 files"):
        places.take(READER, most=2)
    assert places.take(uuid4(), most=2)
    assert places.take(None, most=0)
    for place in taken * 2:  # left twice, it counts once
        place.leave()
    taken = [places.take(READER, most=2) for _ in range(2)]
    with pytest.raises(TooMany):
        places.take(READER, most=2)


def test_whoever_hangs_up_while_the_answer_is_made_keeps_no_place() -> None:
    places = Places("files")
    has_begun, may_end = threading.Event(), threading.Event()

    def answer(request: HttpRequest) -> PlacedStream:
        place = places.take(READER, most=1)
        has_begun.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return PlacedStream([b"late"], place=place)

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
    assert places.take(READER, most=1)
