"""Connections to Valkey or Redis that fail soon and come back by themselves."""

from __future__ import annotations

import re
from typing import Any, Final

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from gpu_worker.resting_pool import RestingPool
from gpu_worker.sentinel import SCHEMES, sentinels_of

Unreachable = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.OutOfMemoryError)
"""What a server raises that is absent, restarting, silent, failing over or full: it may be asked again later."""

ANSWER_SECONDS = 11.0
"""Longest wait for an answer; RQ asks for no less with the worker lifetime that we give it."""

_SCHEMES: Final = ("redis", "rediss", "unix", *SCHEMES)


def checked_address(url: str) -> str:
    """``url``, an address that ``client`` takes.

    Raises:
        ValueError: it is none; says what it lacks, and shows no password.
    """
    if not re.match(rf"({'|'.join(map(re.escape, _SCHEMES))})://", url):
        raise ValueError("begin it with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://")
    sentinels_of(url)
    return url


def pool(url: str, **options: Any) -> redis.ConnectionPool:
    """Connections to the server at ``url``, or to whichever its Sentinels call the primary at the time.

    Args:
        options: ``rest_seconds`` of ``RestingPool``, and those of ``redis.ConnectionPool``.
    """
    sentinels = sentinels_of(url)
    return sentinels.pool(**options) if sentinels else RestingPool.from_url(url, **options)


def async_pool(url: str, **options: Any) -> redis.asyncio.ConnectionPool:
    """The same for the coroutines of one loop, at most ``max_connections`` of them at once."""
    sentinels = sentinels_of(url)
    if sentinels:
        return sentinels.async_pool(**options)
    return redis.asyncio.BlockingConnectionPool.from_url(url, **options)


class Client(redis.Redis):
    """One for which a server that is no primary any more is one that went away.

    It tells so whoever waits there for a job, by an error of no kind of its own.
    """

    def parse_response(self, connection: Any, command_name: str | bytes, **options: Any) -> Any:
        try:
            return super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]  # redis-py
        except redis.ResponseError as problem:
            if not str(problem).startswith("UNBLOCKED"):
                raise
            connection.disconnect()
            raise redis.ConnectionError(f"Nobody waits here any more: {problem}") from problem


def connect(url: str, *, answer_seconds: float = ANSWER_SECONDS) -> redis.Redis:
    """A client whose every call ends within a few seconds.

    One immediate second try hides a connection that died while idle. Waiting longer is for the caller, who knows
    whether to wait, to go on without, or to give up.
    """
    return Client.from_pool(
        pool(
            url,
            socket_timeout=answer_seconds,
            socket_connect_timeout=3.0,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),
        )
    )
