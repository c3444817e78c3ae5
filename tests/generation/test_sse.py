"""Live events: what was missed is replayed, and the end always comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from asgiref.sync import async_to_sync
from django.core import signing
from django.test import AsyncClient

from accounts.models import Visitor
from catalog.models import Model
from generation import dispatch, progress, services, sse
from generation.models import Generation
from gpu_worker.contract import Progress, progress_key
from tests.generation import factories

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


def publish_steps(generation_id: UUID, count: int) -> None:
    progress.publish(generation_id, Progress(kind="stage", stage="denoising"))
    for step in range(1, count + 1):
        progress.publish(generation_id, Progress(kind="step", stage="denoising", step=step, steps_total=count))


@pytest.fixture
def running(toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.ring()
    services.start(generation_id=generation.id, attempt=1, worker="gpu-test")
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
    assert "No GPU worker is up" in heard[0]["data"]


def test_the_end_is_the_last_event(running: Generation, alice: Visitor) -> None:
    factories.deliver_clip(running)
    services.settle(factories.report(running))
    assert [e["event"] for e in follow(alice, running, least=99)] == ["done"]


def test_the_end_comes_though_the_stream_was_lost(running: Generation, alice: Visitor, valkey: redis.Redis) -> None:
    factories.deliver_clip(running)
    services.settle(factories.report(running))
    valkey.delete(progress_key(str(running.id)))
    assert [e["event"] for e in follow(alice, running, least=99)] == ["done"]


@pytest.mark.parametrize("nonsense", ["x", "1-1; DROP", "9" * 200 + "-0", "9" * 20 + "-0", "0"])
def test_a_nonsense_id_replays_from_the_start(running: Generation, alice: Visitor, nonsense: str) -> None:
    publish_steps(running.id, 1)
    assert follow(alice, running, last_id=nonsense)[0]["event"] == "stage"


def test_a_silent_stream_is_kept_alive(running: Generation, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)

    async def first_comment() -> str:
        async for chunk in sse._follow(running.id, "0-0"):
            if chunk.startswith(":"):
                return chunk
        return ""

    assert async_to_sync(first_comment)() == ": still here\n\n"


def test_a_stream_ends_when_its_clip_is_not_there_any_more() -> None:
    async def everything() -> list[str]:
        return [chunk async for chunk in sse._follow(uuid4(), "0-0")]

    assert async_to_sync(everything)() == ["retry: 1000\n\n"]


def test_latest_puts_stage_step_and_picture_together(running: Generation) -> None:
    publish_steps(running.id, 2)
    progress.publish(running.id, Progress(kind="preview", preview="data:image/jpeg;base64,AA"))
    seen = progress.latest(running.id)
    assert seen is not None
    assert (seen.stage, seen.step, seen.steps_total) == ("denoising", 2, 2)
    assert seen.preview.startswith("data:image/jpeg")
