"""``Prefer: wait=n``: the answer comes when the clip has ended, or after ``n`` seconds with how it stands then.

The head of the answer goes out at once, and JSON may begin with spaces: one a few seconds keeps whoever is in between
from hanging up. So what waits is a stream on the loop, as events are, and no thread.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.response import Response

from generation.api import presentation
from generation.live.broadcast import follow
from generation.live.polling import Snapshot
from generation.models import Generation
from loremotion import database
from loremotion.refusals import TooMany
from loremotion.stream_limits import LimitedStream, StreamLimit

MOST_SECONDS: Final = 60.0
MOST_AT_ONCE: Final = 50
"""Answers that one workspace waits for in one process."""
LOOKED_EVERY_SECONDS: Final = 1.0
SPACE_EVERY_SECONDS: Final = 5.0
AFTER_ALL: Final = "9" * 18 + "-0"
"""After every entry of a stream of progress: of these, nothing is said here."""
_PREFERENCE: Final = re.compile(r"\s*wait\s*(?:=\s*\"?([0-9]{1,9})\"?)?\s*(?:;.*)?", re.IGNORECASE)
_waiting = StreamLimit("answers")


def until_ended(request: HttpRequest, generation: Generation, answer: Response) -> HttpResponseBase:
    """``answer``, or where the request would rather wait and the clip is open, one that comes when it has ended.

    Who waits for ``MOST_AT_ONCE`` already is answered at once: the clip is taken, and a refusal would be read as if it
    were not.
    """
    seconds = preferred_seconds(request)
    if not seconds or not generation.is_open:
        return answer
    try:
        slot = _waiting.take(generation.workspace_id, most=MOST_AT_ONCE)
    except TooMany:
        return answer
    body = _body(generation.id, seconds)
    later = LimitedStream(body, slot=slot, content_type="application/json")
    for name, value in answer.items():
        if name.lower() != "content-type":
            later[name] = value
    later["Preference-Applied"] = f"wait={seconds:g}"
    later["Cache-Control"] = "no-store"
    later["X-Accel-Buffering"] = "no"
    return later


def preferred_seconds(request: HttpRequest) -> float:
    """How long the request would rather wait (RFC 7240), at most ``MOST_SECONDS``: 0 without such a preference. One
    that is not understood is none, as the RFC has it."""
    for preference in request.headers.get("Prefer", "").split(","):
        found = _PREFERENCE.fullmatch(preference)
        if found is not None:
            return min(MOST_SECONDS, float(found[1])) if found[1] else MOST_SECONDS
    return 0.0


async def _body(generation_id: UUID, seconds: float) -> AsyncGenerator[bytes, None]:
    now = asyncio.get_running_loop().time
    ends_at, spaced_at = now() + seconds, now()
    yield b" "
    async with aclosing(follow(generation_id, AFTER_ALL, silence_seconds=LOOKED_EVERY_SECONDS)) as heard:
        async for news in heard:
            if (isinstance(news, Snapshot) and news.is_over) or now() >= ends_at:
                break
            if now() - spaced_at >= SPACE_EVERY_SECONDS:
                spaced_at = now()
                yield b" "
    yield json.dumps(await sync_to_async(_standing)(generation_id)).encode()


def _standing(generation_id: UUID) -> dict[str, object]:
    try:
        return presentation.as_it_stands(generation_id)
    finally:
        database.give_back()
