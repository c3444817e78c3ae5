"""Connections to Valkey or Redis that fail soon and come back by themselves."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

Unreachable = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.OutOfMemoryError)
"""What a server raises that is absent, restarting, silent, failing over or full: it may be asked again later."""

ANSWER_SECONDS = 11.0
"""Longest wait for an answer; RQ asks for no less with the worker lifetime that we give it."""


def connect(url: str, *, answer_seconds: float = ANSWER_SECONDS) -> redis.Redis:
    """A client whose every call ends within a few seconds.

    One immediate second try hides a connection that died while idle. Waiting longer is for the caller, who knows
    whether to wait, to go on without, or to give up.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=answer_seconds,
        socket_connect_timeout=3.0,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
    )
