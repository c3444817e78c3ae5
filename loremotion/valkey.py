"""Connections to Valkey (or Redis): one pool a process for threads, one a loop for coroutines."""

from __future__ import annotations

import hashlib
import json
import logging
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings

from gpu_worker.valkey import async_pool, pool

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5
REST_SECONDS = 2
MOST_OF_A_LOOP = 8


@cache
def connection() -> redis.Redis:
    """A client on the process's pool. Calls fail within seconds when the server is away, and those after it at once,
    rather than hang a request."""
    return redis.Redis.from_pool(
        pool(
            settings.REDIS_URL,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            health_check_interval=30,
            rest_seconds=REST_SECONDS,
        )
    )


def async_connections() -> redis.asyncio.Redis:
    """A new pool for one loop, whose coroutines wait for one another when it is all in use; the caller closes it."""
    of_this_loop = async_pool(
        settings.REDIS_URL,
        max_connections=MOST_OF_A_LOOP,
        timeout=4 * TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
    )
    return redis.asyncio.Redis.from_pool(of_this_loop)


class CachePool:
    """Where Django's cache, which would make a pool of its own without time limits, gets its connections from."""

    @staticmethod
    def from_url(url: str, **options: Any) -> redis.ConnectionPool:
        return connection().connection_pool


def digest(text: str) -> str:
    """Return a short name for any text, to be part of a key."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def eviction_fault() -> str:
    """Return why this server may drop jobs when its memory is full, and what to do; empty where it may not.

    Raises:
        RedisError: Valkey is away.
    """
    policy = _info("memory").get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ""
    return f"Valkey may drop jobs when its memory is full (maxmemory-policy {policy}): set maxmemory-policy noeviction."


def persistence_fault() -> str:
    """Return why a restart of this server loses jobs, and what to do; empty where it loses a second's at most.

    Raises:
        RedisError: Valkey is away.
    """
    if _info("persistence").get("aof_enabled"):
        return ""
    return "Valkey forgets jobs when it restarts, which are then made again, but late: set appendonly yes."


def warn_of_eviction() -> None:
    """Log that the server may drop jobs, for who starts a process. Whether it can be reached is said elsewhere."""
    try:
        fault = eviction_fault()
    except redis.RedisError:
        return
    if fault:
        logger.critical("%s", fault)


def _info(section: str) -> dict[str, Any]:
    """INFO, which hosted servers answer too; CONFIG they mostly do not."""
    return connection().info(section)


class JsonSerializer:
    """What Django's cache keeps is JSON: whoever can write to Valkey must not be able to run code here."""

    def dumps(self, value: Any) -> bytes | int:
        """Whole numbers stay bare, so that Valkey can count them up."""
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, stored: bytes) -> Any:
        return json.loads(stored)
