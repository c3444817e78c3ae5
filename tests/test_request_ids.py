"""A request's id is echoed, and stands on the lines that are logged for it.

That one id leads from the click to the clip is shown on a whole site: ``generation/test_crashes.py``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

import httpx
import pytest

from gpu_worker import log_context
from gpu_worker.log_context import ContextFilter, JsonFormatter, LineFormatter, bound
from loremotion.request_ids import RequestIds


def ask(**headers: str) -> tuple[str, str]:
    """The id that the answer bears, and the one that was in force within."""
    within = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        within.append(log_context.current("request_id"))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(cast(Any, RequestIds(app)))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/", headers=headers)

    return asyncio.run(asked()).headers["X-Request-ID"], within[0]


def test_an_id_of_the_callers_is_echoed() -> None:
    assert ask(**{"X-Request-ID": "order-4711"}) == ("order-4711", "order-4711")


@pytest.mark.parametrize("said", ["", "x" * 65, "two words", 'a"b', "a;b", "[31m"])
def test_what_is_no_id_is_replaced(said: str) -> None:
    echoed, within = ask(**{"X-Request-ID": said})
    assert echoed == within
    assert len(echoed) == 32
    assert echoed != said


def test_every_request_has_an_id_of_its_own() -> None:
    assert ask() != ask()


def record(message: str, *arguments: object) -> logging.LogRecord:
    made = logging.LogRecord("any", logging.INFO, __file__, 1, message, arguments, None)
    assert ContextFilter().filter(made)
    return made


def test_a_line_names_the_request_and_the_clip_where_there_are_any() -> None:
    formatter = LineFormatter("{name}: {message}", style="{")
    with bound(request_id="r-1"), bound(generation_id="g-1"):
        assert formatter.format(record("%d steps", 4)) == "any: 4 steps [request=r-1 generation=g-1]"
    assert formatter.format(record("idle")) == "any: idle"


@pytest.mark.parametrize("odd", ["\n", "\r\n", "\x1b[2J", "\x85", "\u2028", "\x00"])
def test_a_line_is_one_whatever_the_message_holds(odd: str) -> None:
    said = LineFormatter("{message}", style="{").format(
        logging.LogRecord("x", logging.WARNING, "x.py", 1, "No sign-in: %s", (f"a{odd}CRITICAL forged",), None)
    )
    assert said.startswith("No sign-in: a\\")
    assert said.isprintable()


def test_a_json_line_is_one_object_whatever_the_message_holds() -> None:
    with bound(request_id="r-1", job_id="g-1-1"):
        line = JsonFormatter(worker="gpu-7").format(record("two\nlines"))
    assert "\n" not in line
    said = json.loads(line)
    assert (said["message"], said["request_id"], said["job_id"]) == ("two\nlines", "r-1", "g-1-1")
    assert (said["worker"], said["level"], "generation_id" in said) == ("gpu-7", "INFO", False)
