"""Live progress as Server-Sent Events. The Valkey Stream's ids are the SSE ids: a reconnect replays what was missed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from accounts import tenancy
from accounts.roles import Action
from generation.live.broadcast import Entry, follow
from generation.models import Generation
from loremotion import database

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
        own = Generation.objects.seen_by(tenancy.caller_for(request, Action.READ_CLIPS))
        return own.filter(id=generation_id).values_list("state", flat=True).first()
    finally:
        database.give_back()  # a stream lasts for minutes, in which it only waits


async def _follow(generation_id: UUID, after: str) -> AsyncIterator[str]:
    """The stream until it says ``done``. While it is silent, the database says how things stand."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    async with aclosing(follow(generation_id, after, silence_seconds=HEARTBEAT_SECONDS)) as heard:
        async for news in heard:
            if isinstance(news, Entry):
                yield _message(news.event, news.data, news.id)
            elif news is None:
                yield ": still here\n\n"
            elif news.is_over:  # its stream has lapsed, or the last entry got lost
                yield _message("done", json.dumps({"kind": "done"}))
            else:
                yield _message("queue", news.wait)


def _message(event: str, data: str, event_id: str = "") -> str:
    return (f"id: {event_id}\n" if event_id else "") + f"event: {event}\ndata: {data}\n\n"
