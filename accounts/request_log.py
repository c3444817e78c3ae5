"""The last requests of each API key: what was asked, and how it was answered. Never what was in it.

Kept in Valkey under the first key of a line, so that a rotated key goes on where it was, and for a week, also of a key
that was revoked. A process that serves writes them behind its answers, those of a moment together, and no request waits
for it; what a crash, or a signal that ends it, takes with it is a moment's. While Valkey is away nothing is noted.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.caller import API_PREFIX, state_of
from accounts.models import ApiKey
from loremotion import log_ids
from loremotion.errors import PROBLEM
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

MOST_KEPT: Final = 100
KEPT_SECONDS: Final = 7 * 86_400
"""After the last one."""
LONGEST_PATH: Final = 200
BEHIND_SECONDS: Final = 0.2
MOST_WAITING: Final = 10_000
"""Requests of one process that are not written yet: beyond, of a Valkey that hangs, the oldest are left out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. ``code`` is the refusal's, empty of what was done; ``path`` has nothing behind a ?."""

    at: float
    method: str
    path: str
    status: int
    code: str
    request_id: str
    milliseconds: int
    """Until the head of the answer was ready: a stream goes on after that."""

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


class RequestLogMiddleware:
    """Notes each request under ``/v1/`` whose key holds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        at, began = time.time(), time.perf_counter()
        response = self.get_response(request)
        caller = state_of(request).caller
        if caller is None or caller.key is None:
            return response
        entry = Entry(
            at=at,
            method=str(request.method)[:10],
            path=request.path[:LONGEST_PATH],
            status=response.status_code,
            code=_code_of(response),
            request_id=log_ids.current_request(),
            milliseconds=round((time.perf_counter() - began) * 1000),
        )
        note(caller.key, entry)
        return response


class _Notes:
    """What was asked and is not written yet."""

    def __init__(self) -> None:
        self._waiting = deque[tuple[str, Entry]](maxlen=MOST_WAITING)
        self._has_some = threading.Event()
        self._writing = threading.Lock()
        self._is_behind = False

    def add(self, name: str, entry: Entry) -> None:
        self._waiting.append((name, entry))
        if not self._is_behind:
            self.write()
        elif not self._has_some.is_set():
            self._has_some.set()

    def write(self) -> None:
        """Write what waits, by one command a line of keys."""
        with self._writing:
            by_name: dict[str, list[str]] = {}
            for _ in range(len(self._waiting)):
                name, entry = self._waiting.popleft()
                by_name.setdefault(name, []).append(json.dumps(asdict(entry)))
            if not by_name:
                return
            try:
                with connection().pipeline(transaction=False) as pipeline:
                    for name, entries in by_name.items():
                        pipeline.lpush(name, *entries)
                        pipeline.ltrim(name, 0, MOST_KEPT - 1)
                        pipeline.expire(name, KEPT_SECONDS)
                    pipeline.execute()
            except redis.RedisError as error:
                logger.warning("Requests of keys are not noted: %s", error)

    def write_behind(self) -> None:
        """Write from now on by a thread of its own, those of a moment together, and what waits when Python ends. With
        SIGTERM uvicorn does not end so: it finishes its answers and dies of the signal, with what waits just then."""
        if not self._is_behind:
            self._is_behind = True
            threading.Thread(target=self._go_on, name="request-log", daemon=True).start()
            atexit.register(self.write)

    def _go_on(self) -> None:
        while self._has_some.wait():
            time.sleep(BEHIND_SECONDS)
            self._has_some.clear()
            self.write()


_notes: Final = _Notes()


def write_behind() -> None:
    """Have no request of this process wait until it is noted."""
    _notes.write_behind()


def note(key: ApiKey, entry: Entry) -> None:
    """Keep ``entry`` as the last of the key's line."""
    _notes.add(_name(key), entry)


def last_requests(key: ApiKey) -> list[Entry]:
    """The last requests of the key's line, the newest first. Of other processes those of this moment may be missing.

    Raises:
        RedisError: Valkey is away.
    """
    _notes.write()
    kept: Any = connection().lrange(_name(key), 0, MOST_KEPT - 1)
    return [Entry(**json.loads(entry)) for entry in kept]


def used_lately(keys: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    """Those of ``keys`` whose last requests may be kept still. Uses are noted once a minute."""
    return keys.filter(last_used_at__gte=timezone.now() - timedelta(seconds=KEPT_SECONDS + 60))


def forget(line_ids: Collection[int]) -> None:
    """Delete what these lines asked. What Valkey does not hear, because it is away, expires there."""
    try:
        if line_ids:
            connection().unlink(*map(_name_of, line_ids))
    except redis.RedisError as error:
        logger.warning("The requests of keys that are gone are left to expire: %s", error)


def _code_of(response: HttpResponseBase) -> str:
    if response.status_code < 400 or response.get("Content-Type") != PROBLEM or not isinstance(response, HttpResponse):
        return ""
    return str(json.loads(response.content).get("code", ""))


def _name(key: ApiKey) -> str:
    return _name_of(key.line_id)


def _name_of(line_id: int) -> str:
    return f"requests:{line_id}"
