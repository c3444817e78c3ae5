"""Live progress as Server-Sent Events, in the words of the Video object. The Valkey Stream's ids are the SSE ids: a
reconnect replays what was missed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from accounts import tenancy
from accounts.caller import Caller, state_of
from accounts.roles import Action
from generation.api import presentation
from generation.api.readers import may_still_read
from generation.live import progress
from generation.live.broadcast import Entry, Update
from generation.live.following import DONE, follow, order_of
from generation.models import OPEN_STATES, Generation
from generation.settlement import error_words
from generation.submission import retries
from gpu_worker.contract import Progress
from loremotion import database, parameters
from loremotion.languages import is_in_english
from loremotion.stream_limits import LimitedStream, StreamLimit

HEARTBEAT_SECONDS = 15.0
RECHECK_SECONDS = 15.0
"""A stream lasts for minutes: so often it is asked whether its reader may still read it."""
RETRY_MILLISECONDS = 1_000
MOST_WATCHED_AT_ONCE = 500
"""Streams that one process sends to one workspace. Each costs a socket, and the process has not many thousands."""
_watchers = StreamLimit(gettext_lazy("streams"))
ENDED: Final = "9" * 18 + "-0"
"""Id of ``done``: after every id that a stream gives."""
LAST_ID: Final = "lastEventId"
"""Parameter that stands for the header ``Last-Event-ID``: EventSource's polyfills, which can send a key, send it so."""
_FROM_STREAMS: Final = frozenset({"stage", "step", "preview"})
"""Events that are sent on as they were written. Of all else that a GPU host may write nothing reaches a watcher."""
_STREAM_ID = re.compile(r"^[0-9]{1,18}-[0-9]{1,18}$")  # both halves fit into 64 bits


@csrf_exempt
@require_GET
async def events(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """``queue``, ``stage``, ``step``, ``preview``, ``late`` and, at the end, ``done`` with the Video object.

    Resumes after ``Last-Event-ID``, header or parameter. Who has heard ``done`` is answered 204, which tells an
    EventSource to stop.
    """
    parameters.refuse_unknown(request.GET, {LAST_ID})
    asked = request.headers.get("Last-Event-ID") or request.GET.get(LAST_ID, "")
    after = asked if _STREAM_ID.match(asked) else "0-0"
    if await sync_to_async(_has_heard_the_end)(request, generation_id, after):
        return HttpResponse(status=204)

    def is_let_in() -> bool:
        return may_still_read(request, generation_id)

    slot = _watchers.take(_reader_of(request), most=MOST_WATCHED_AT_ONCE)
    body = _follow(generation_id, after, is_let_in, state_of(request).caller, language=_language_of(request))
    response = LimitedStream(body, slot=slot, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _language_of(request: HttpRequest) -> str:
    """The language of a page that follows the clip; at the API's address it is English, whoever asks."""
    if is_in_english(request.path):
        return settings.LANGUAGE_CODE
    return translation.get_language_from_request(request)


def _reader_of(request: HttpRequest) -> UUID | None:
    """The workspace of whoever was found to ask."""
    caller = state_of(request).caller
    return None if caller is None or caller.workspace is None else caller.workspace.id


def _has_heard_the_end(request: HttpRequest, generation_id: UUID, last_id: str) -> bool:
    try:
        own = Generation.objects.seen_by(tenancy.caller_for(request, Action.READ_CLIPS))
        generation = own.filter(id=generation_id).only("state", "created_at").first()
        if generation is None:
            raise Http404
        retries.note_read([generation])
        return generation.state not in OPEN_STATES and last_id == ENDED
    finally:
        database.give_back()  # a stream lasts for minutes, in which it only waits


def _anybody() -> bool:
    return True


async def _follow(
    generation_id: UUID,
    after: str,
    is_let_in: Callable[[], bool] = _anybody,
    caller: Caller | None = None,
    *,
    language: str = settings.LANGUAGE_CODE,
) -> AsyncGenerator[str, None]:
    """The stream until it says ``done``. While it is silent, the database says how things stand."""
    now = asyncio.get_running_loop().time
    checked_at = now()
    yield ": still here\n\n"
    retry = f"retry: {RETRY_MILLISECONDS}\n"  # in a block of its own, some clients would take it for an event
    async with aclosing(follow(generation_id, after, silence_seconds=HEARTBEAT_SECONDS)) as heard:
        async for news in heard:
            if now() - checked_at >= RECHECK_SECONDS:
                if not await sync_to_async(is_let_in)():
                    return
                checked_at = now()
            message = await _message(generation_id, news, caller, language)
            yield (retry + message) if message else ": still here\n\n"
            retry = "" if message else retry


async def _message(generation_id: UUID, news: Update, caller: Caller | None, language: str) -> str:
    """The event for what came; empty where there is nothing to tell."""
    if isinstance(news, Entry):
        is_known = news.event in _FROM_STREAMS and order_of(news.id) < order_of(ENDED)
        return _block(news.event, _in_words_of_the_api(news.data, language), news.id) if is_known else ""
    if news is None:
        return ""
    if not news.is_over:
        waits, missed = news.in_language(language)
        return _block("late", json.dumps({"missed": missed})) if missed else _block("queue", waits)
    return _block(DONE, await sync_to_async(_outcome)(generation_id, caller), ENDED)


def _in_words_of_the_api(data: str, language: str) -> str:
    """An entry as the Video object and its ``lm`` call things, without what says nothing; an odd one says nothing."""
    try:
        said = Progress.from_wire(json.loads(data))
    except (KeyError, TypeError, ValueError, RecursionError):
        return json.dumps({"progress": 0})
    named = {"stage": said.stage, "step": said.step, "steps": said.steps_total}
    preview = progress.preview_of(said.preview)
    named |= {
        "seconds_per_step": said.seconds_per_step,
        "preview": preview,
        "message": _said_in(language, said.message),
    }
    told = {name: value for name, value in named.items() if value}
    return json.dumps({**told, "progress": progress.percent_of(said.percent)})


def _said_in(language: str, words: str) -> str:
    with translation.override(language):
        return error_words.in_readers_language(words)


def _outcome(generation_id: UUID, caller: Caller | None) -> str:
    """The Video object at the end, or that it is deleted."""
    try:
        return json.dumps(presentation.as_it_stands(generation_id, caller))
    finally:
        database.give_back()


def _block(event: str, data: str, event_id: str = "") -> str:
    return (f"id: {event_id}\n" if event_id else "") + f"event: {event}\ndata: {data}\n\n"
