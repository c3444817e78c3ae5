"""Who sends a body slowly, or stops in the middle of it, is not waited for; who thinks about a whole one is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from loremotion import bodies
from tests.sent_bodies import FORM, ask, stall


def test_who_stops_in_the_middle_of_a_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.01)
    assert ask("POST", "/", "text/plain", b"xyz", stalls=True) == (408, 0)
    assert ask("POST", "/", "text/plain", b"xyz", announced=4, stalls=True) == (408, 3)


class Sender:
    """Sends ``pieces``, each so many seconds after it was asked for the next, by a clock of its own, and then nothing
    that ends the body. Nobody sleeps."""

    def __init__(self, pieces: Iterator[tuple[float, bytes]]) -> None:
        self.now = 0.0
        self._pieces = pieces

    def clock(self) -> float:
        return self.now

    async def receive(self) -> dict[str, Any]:
        seconds, piece = next(self._pieces)
        self.now += seconds
        return {"type": "http.request", "body": piece, "more_body": True}


def status_for(sender: Sender, announced: int | None) -> int:
    """What a form of this sender's is answered, of which nobody but the limit makes an end."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    headers = [(b"content-type", FORM.encode())]
    if announced is not None:
        headers.append((b"content-length", str(announced).encode()))
    scope = {"type": "http", "method": "POST", "path": "/generations/", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind, clock=sender.clock))(scope, sender.receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("announced", [None, 100])
def test_who_sends_a_byte_now_and_then_is_not_waited_for(announced: int | None) -> None:
    """Each byte comes within the silence that is allowed, and all of them together too slowly."""
    sender = Sender((20.0, b"x") for _ in range(99))
    assert status_for(sender, announced) == 408
    assert sender.now == 40


@pytest.mark.parametrize("announced", [None, bodies.MAX_FORM_BYTES])
def test_a_burst_buys_no_time(announced: int | None) -> None:
    """It would be hours, of 127 MB on our disk."""
    burst, drip = [(0.1, bytes(1024**2))] * 127, [(29.0, b"x")] * 99
    sender = Sender(iter(burst + drip))
    assert status_for(sender, announced) == 408
    assert sender.now < 12.7 + 2 * 29 + 1


@pytest.mark.parametrize("announced", [None, bodies.MAX_FORM_BYTES])
def test_no_body_is_waited_for_longer_than_ten_minutes(announced: int | None) -> None:
    """However steadily it comes."""
    sender = Sender((10.0, bytes(10 * bodies.LEAST_BYTES_PER_SECOND)) for _ in range(999))
    assert status_for(sender, announced) == 408
    assert sender.now == 600


def test_what_we_take_over_a_piece_is_not_counted_as_slowness() -> None:
    """The disk, or the threads, may keep somebody waiting who sends as fast as they can."""
    sender = Sender((0.1, bytes(1000)) for _ in range(5))

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(5):
            assert (await receive())["type"] == "http.request"
            sender.now += 60.0
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"5001")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind, clock=sender.clock))(scope, sender.receive, send)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(("key", "is_final"), [(None, True), (b"order-17", False)])
def test_of_what_nobody_read_a_retry_is_safe_by_its_key_alone(
    monkeypatch: pytest.MonkeyPatch, key: bytes | None, is_final: bool
) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    headers = [(b"content-length", b"9"), *([] if key is None else [(b"idempotency-key", key)])]
    scope = {"type": "http", "method": "POST", "path": "/v1/videos", "headers": headers}
    async_to_sync(bodies.BodyLimit(behind))(scope, receive, send)
    assert (sent[0]["status"], (b"x-should-retry", b"false") in sent[0]["headers"]) == (408, is_final)


def test_a_body_that_is_whole_may_be_thought_about_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": False} if not has_come.is_set() else await stall()

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        has_come.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.1)  # as Django does, to hear that the client has left
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    has_come = asyncio.Event()
    async_to_sync(bodies.BodyLimit(behind))(
        {"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send
    )
    assert sent[0]["status"] == 200
