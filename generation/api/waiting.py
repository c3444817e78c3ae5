"""``Prefer: wait=n``: the answer comes when the clip has ended, or after ``n`` seconds with how it stands then.

The head of the answer goes out at once, and JSON may begin with spaces: one a few seconds keeps whoever is in between
from hanging up. So what waits is a stream on the loop, as events are, and no thread.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic as _now
from typing import Any, Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.response import Response

from accounts.caller import state_of
from generation.api import presentation
from generation.api.readers import may_still_read
from generation.live.following import follow
from generation.live.polling import Snapshot
from generation.models import Generation
from generation.submission import retries
from loremotion import database
from loremotion.preferences import preferred_seconds
from loremotion.refusals import TooMany
from loremotion.stream_limits import LimitedStream, StreamLimit

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 50
"""Answers that one workspace waits for in one process."""
MOST_IN_ALL: Final = 1_000
"""Answers that one process waits for. Each costs a socket."""
LOOKED_EVERY_SECONDS: Final = 1.0
SPACE_EVERY_SECONDS: Final = 5.0
AFTER_ALL: Final = "9" * 18 + "-0"
"""After every entry of a stream of progress: of these, nothing is said here."""
_waiting = StreamLimit("answers", most_in_all=MOST_IN_ALL)


def until_ended(request: HttpRequest, generation: Generation, answer: Response) -> HttpResponseBase:
    """``answer``, or where the request would rather wait and the clip is open, one that comes when it has ended.

    Where as many wait as may, it is answered at once: the clip is taken, and a refusal would be read as if it were not.
    """
    seconds = preferred_seconds(request)
    if not seconds or not generation.is_open:
        return answer
    try:
        slot = _waiting.take(generation.workspace_id, most=MOST_AT_ONCE)
    except TooMany:
        return answer
    body = _body(request, generation, seconds, answer.data)
    later = LimitedStream(body, slot=slot, keeps_thread=False, content_type="application/json")
    for name, value in answer.items():
        if name.lower() != "content-type":
            later[name] = value
    later["Preference-Applied"] = f"wait={seconds:g}"
    later["Cache-Control"] = "no-store"
    later["X-Accel-Buffering"] = "no"
    return later


async def _body(
    request: HttpRequest, generation: Generation, seconds: float, known: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    """Spaces, then the Video object; ``known``, as it was when asked for, where nothing newer can be found out, or may
    be told to whoever waits. The head said that all is well by then, and an answer that broke off would be asked for,
    and paid, again."""
    ends_at, spaced_at = _now() + seconds, _now()
    yield b" "
    try:
        async with aclosing(follow(generation.id, AFTER_ALL, silence_seconds=LOOKED_EVERY_SECONDS)) as heard:
            async for news in heard:
                if (isinstance(news, Snapshot) and news.is_over) or _now() >= ends_at:
                    break
                if _now() - spaced_at >= SPACE_EVERY_SECONDS:
                    spaced_at = _now()
                    yield b" "
    except Exception:
        logger.exception("Whoever waits for clip %s is told early how it stands", generation.id)
    yield json.dumps(await sync_to_async(_standing)(request, generation.id, known)).encode()
    await sync_to_async(retries.note_read)([generation])  # that was taken, or this would not be reached


def _standing(request: HttpRequest, generation_id: UUID, known: dict[str, Any]) -> dict[str, Any]:
    try:
        if not may_still_read(request, generation_id):
            return known
        return presentation.as_it_stands(generation_id, state_of(request).caller)
    except Exception:
        logger.exception("Of clip %s is told what was known when it was asked for", generation_id)
        return known
    finally:
        database.give_back()
