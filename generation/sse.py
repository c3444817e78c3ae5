"""Live progress as Server-Sent Events. The Valkey Stream's ids are the SSE ids: a reconnect replays what was missed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import redis
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db import connection as database
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from accounts import tenancy
from accounts.roles import Action
from generation import estimate, progress
from generation.models import Generation, State
from gpu_worker.contract import progress_key
from loremotion.valkey import async_connection

LOOK_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 1_000
_STREAM_ID = re.compile(r"^[0-9]{1,18}-[0-9]{1,18}$")  # both halves fit into 64 bits


@require_GET
async def events(request: HttpRequest, generation_id: UUID) -> StreamingHttpResponse:
    """``queue``, ``stage``, ``step``, ``preview`` and, at the end, ``done``. Resumes after ``Last-Event-ID``."""
    state = await sync_to_async(_state_for)(request, generation_id)
    if state is None:
        raise Http404
    asked = request.headers.get("Last-Event-ID", "")
    after = asked if _STREAM_ID.match(asked) else "0-0"
    response = StreamingHttpResponse(_follow(generation_id, after), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _state_for(request: HttpRequest, generation_id: UUID) -> str | None:
    try:
        own = Generation.objects.of(tenancy.workspace_of(request, Action.READ_CLIPS))
        return own.filter(id=generation_id).values_list("state", flat=True).first()
    finally:
        _give_connection_back()


async def _follow(generation_id: UUID, after: str) -> AsyncIterator[str]:
    """The stream until it says ``done``. While it is silent, the database says how things stand."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    looked_at, silent_seconds, last_wait, is_over = 0.0, 0.0, "", False
    valkey = async_connection()
    try:
        while True:
            if time.monotonic() - looked_at >= LOOK_SECONDS:
                wait, is_over = await sync_to_async(_look)(generation_id)
                looked_at = time.monotonic()
                if wait and wait != last_wait:
                    last_wait = wait
                    yield _message("queue", wait)
            entries = await _read(valkey, generation_id, after, block=not is_over)
            for entry_id, fields in entries:
                event, data = progress.decode(fields)
                after = entry_id.decode()
                silent_seconds = 0.0
                yield _message(event, data, after)
                if event == "done":
                    return
            if is_over and not entries:  # its stream has lapsed, or the last entry got lost
                yield _message("done", json.dumps({"kind": "done"}))
                return
            silent_seconds += 0.0 if entries else LOOK_SECONDS
            if silent_seconds >= HEARTBEAT_SECONDS:
                silent_seconds = 0.0
                yield ": still here\n\n"
    finally:
        await valkey.aclose()


async def _read(
    valkey: redis.asyncio.Redis, generation_id: UUID, after: str, *, block: bool
) -> list[tuple[bytes, dict[bytes, bytes]]]:
    milliseconds = int(LOOK_SECONDS * 1000) if block else None
    try:
        answer: Any = await valkey.xread({progress_key(str(generation_id)): after}, count=200, block=milliseconds)
    except redis.RedisError:  # away: the database goes on saying how things stand
        if block:
            await asyncio.sleep(LOOK_SECONDS)
        return []
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, dict) else [stream[1] for stream in answer]
    found = next(iter(streams))
    return list(found[0]) if found and isinstance(found[0], list) else list(found)


def _look(generation_id: UUID) -> tuple[str, bool]:
    """``(how long it waits as JSON, whether it has ended)``."""
    try:
        generation = Generation.objects.select_related("version").get(id=generation_id)
        if not generation.is_open:
            return "", True
        if generation.state == State.RUNNING:
            return "", False
        wait = estimate.wait_of(generation)
        said = {"position": wait.place, "low": wait.low_seconds, "high": wait.high_seconds, "message": wait.reason}
        return json.dumps(said), False
    except redis.RedisError:
        return "", False
    finally:
        _give_connection_back()


def _give_connection_back() -> None:
    """A stream lasts for minutes: it keeps no connection of the pool while it only waits."""
    if not database.in_atomic_block:  # in a transaction it is not ours to give
        close_old_connections()


def _message(event: str, data: str, event_id: str = "") -> str:
    return (f"id: {event_id}\n" if event_id else "") + f"event: {event}\ndata: {data}\n\n"
