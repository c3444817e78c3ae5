"""Which of a caller's clips may answer a retry: those whose id the caller cannot have learned meanwhile. And which
retries none may answer: those of a request that was refused for the moment, and made nothing.

Noted in Valkey for as long as a clip could be such an answer. While Valkey is away every clip may be, since a clip that
is made and paid twice is the worse mistake.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import redis
from django.utils import timezone

from generation.models import Generation
from loremotion.preferences import MOST_SECONDS
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

RETRIED_WITHIN: Final = timedelta(minutes=1)
MOST_WAITS: Final = 10
"""Retries each of which may have waited for its answer until it broke off. Clients make two unless they are told."""
_LONGEST: Final = RETRIED_WITHIN + MOST_WAITS * timedelta(seconds=MOST_SECONDS)
_KEPT_SECONDS: Final = round(_LONGEST.total_seconds()) + 60
_REFUSAL_KEPT_SECONDS: Final = 2 * 60
_READ: Final = 10**9
"""Above every count of retries: whoever has read a clip is given it no more."""
_RAISE: Final = """
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_TAKE: Final = """
if tonumber(redis.call('GET', KEYS[1]) or '0') < 1 then return 0 end
redis.call('DECR', KEYS[1])
return 1
"""


def looked_back(*, retry: int, waited_seconds: float) -> timedelta:
    """How old the clip of a ``retry``-th retry may be, if each sending before it waited so long for its answer."""
    return RETRIED_WITHIN + min(retry, MOST_WAITS) * timedelta(seconds=waited_seconds)


def note_read(generations: Iterable[Generation]) -> None:
    """Note that the caller has seen these clips, so that none of them answers a retry."""
    since = timezone.now() - _LONGEST
    fresh = [generation for generation in generations if generation.created_at > since]
    if not fresh:
        return
    try:
        pipeline = connection().pipeline(transaction=False)
        for generation in fresh:
            pipeline.set(_key(generation), _READ, ex=_KEPT_SECONDS)
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("It is not noted that %d clips were read: %s", len(fresh), error)


def claim(generation: Generation, *, retry: int) -> bool:
    """Whether the clip may answer the caller's ``retry``-th retry: once for each count, and not once it was read."""
    try:
        return bool(connection().eval(_RAISE, 1, _key(generation), str(retry), str(_KEPT_SECONDS)))
    except redis.RedisError as error:
        logger.warning("Whether clip %s was given out is not known: %s", generation.id, error)
        return True


def note_refused(sending: str) -> bool:
    """Note that one ``sending`` made nothing, and say whether that is noted."""
    try:
        pipeline = connection().pipeline()
        pipeline.incr(_refused(sending))
        pipeline.expire(_refused(sending), _REFUSAL_KEPT_SECONDS)
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("It is not noted that a request was refused: %s", error)
        return False
    return True


def take_refused(sending: str) -> bool:
    """Whether one more such ``sending`` made nothing than was asked after so far."""
    try:
        return bool(connection().eval(_TAKE, 1, _refused(sending)))
    except redis.RedisError as error:
        logger.warning("Whether a request was refused is not known: %s", error)
        return False


def _refused(sending: str) -> str:
    return f"refused:{sending}"


def _key(generation: Generation) -> str:
    return f"retries:{generation.id}"
