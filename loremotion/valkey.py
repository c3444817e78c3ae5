"""Connections to Valkey (or Redis): one pool a process for threads, one a loop for coroutines."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings

TIMEOUT_SECONDS = 5


@cache
def connection() -> redis.Redis:
    """The process's pool. Calls fail within seconds when the server is away, rather than hang a request."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
    )


def async_connection() -> redis.asyncio.Redis:
    """A new connection for one coroutine; whoever asks for it closes it."""
    return redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=TIMEOUT_SECONDS)


class JsonSerializer:
    """What Django's cache keeps is JSON: whoever can write to Valkey must not be able to run code here."""

    def dumps(self, value: Any) -> bytes | int:
        """Whole numbers stay bare, so that Valkey can count them up."""
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, stored: bytes) -> Any:
        return json.loads(stored)
