"""The last requests of each API key: what was asked, and how it was answered. Never what was in it.

Kept in Valkey under the first key of a line, so that a rotated key goes on where it was, and for a week, also of a key
that was revoked; written once the answer is sent, or before a stream begins, by one command of constant cost. While
Valkey is away nothing is noted, and nobody waits for that.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
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
from loremotion.handler import do_once_sent
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

MOST_KEPT: Final = 100
KEPT_SECONDS: Final = 7 * 86_400
"""After the last one."""
LONGEST_PATH: Final = 200
_NOTE: Final = """
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[2]) - 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


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
        if response.streaming:  # which may last for minutes
            note(caller.key, entry)
        else:
            do_once_sent(response, partial(note, caller.key, entry))
        return response


def note(key: ApiKey, entry: Entry) -> None:
    """Keep ``entry`` as the last of the key's line."""
    try:
        written = json.dumps(asdict(entry))
        connection().eval(_NOTE, 1, _name(key), written, str(MOST_KEPT), str(KEPT_SECONDS))
    except redis.RedisError as error:
        logger.warning("A request of a key is not noted: %s", error)


def last_requests(key: ApiKey) -> list[Entry]:
    """The last requests of the key's line, the newest first.

    Raises:
        RedisError: Valkey is away.
    """
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
