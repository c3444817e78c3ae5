"""Connections to Valkey (or Redis): one pool a process for threads, one a loop for coroutines."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings

TIMEOUT_SECONDS = 5
MOST_OF_A_LOOP = 8


@cache
def connection() -> redis.Redis:
    """The process's pool. Calls fail within seconds when the server is away, rather than hang a request."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
    )


def async_connections() -> redis.asyncio.Redis:
    """A new pool for one loop, whose coroutines wait for one another when it is all in use; the caller closes it."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=MOST_OF_A_LOOP,
        timeout=4 * TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
    )
    return redis.asyncio.Redis.from_pool(pool)


class JsonSerializer:
    """What Django's cache keeps is JSON: whoever can write to Valkey must not be able to run code here."""

    def dumps(self, value: Any) -> bytes | int:
        """Whole numbers stay bare, so that Valkey can count them up."""
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, stored: bytes) -> Any:
        return json.loads(stored)
