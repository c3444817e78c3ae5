"""Progress streams in tests: what a worker writes into one, what a GPU host may forge, what a browser hears."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import redis
from asgiref.sync import async_to_sync
from django.core import signing
from django.test import AsyncClient, Client

from accounts.models import Visitor
from generation.api import events
from generation.live import progress
from generation.models import Generation
from gpu_worker.contract import Progress
from gpu_worker.valkey_names import progress_key


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
        chunks: AsyncGenerator[bytes, None] = aiter(answer.streaming_content)
        async for chunk in chunks:
            event = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines() if ": " in line)
            if "event" in event:
                heard.append(event)
            if event.get("event") == "done" or len(heard) >= least:
                break
        await chunks.aclose()
        return heard

    return async_to_sync(listen)()


def publish_steps(generation_id: UUID, count: int) -> None:
    progress.publish(generation_id, Progress(kind="stage", stage="denoising"))
    for step in range(1, count + 1):
        progress.publish(generation_id, Progress(kind="step", stage="denoising", step=step, steps_total=count))


def forge(valkey: redis.Redis, generation: Generation, event: str | bytes, entry_id: str = "*", **data: Any) -> None:
    """Write an entry as a GPU host can that wants to."""
    fields: Any = {"event": event, "data": json.dumps(data)}
    valkey.xadd(progress_key(str(generation.id)), fields, id=entry_id)


def step(generation_id: UUID, number: int) -> None:
    progress.publish(generation_id, Progress(kind="step", stage="denoising", step=number, steps_total=99))


async def heard_by(generation_id: UUID, after: str = "0-0", *, last: int) -> list[int]:
    """The steps that one watcher hears, up to step ``last``."""
    steps: list[int] = []
    stream = events._follow(generation_id, after)
    async for chunk in stream:
        found = re.search(r'"step": (\d+)', chunk)
        if "event: step" in chunk and found:
            steps.append(int(found[1]))
            if steps[-1] >= last:
                break
    await stream.aclose()
    return steps


def reopened(visitor: Visitor, generation: Generation, *, last_id: str) -> int:
    """What an EventSource is answered that comes back after ``last_id``."""
    browser = Client()
    browser.cookies["visitor"] = signing.dumps(str(visitor.id), salt="accounts.visitors")
    return browser.get(f"/v1/videos/{generation.id}/events", headers={"Last-Event-ID": last_id}).status_code
