"""Connections to a server that, once it was silent, is left alone for a moment: who asks meanwhile is refused at once.

A request asks Valkey a handful of times and does without each answer. Where the server is silent rather than closed, as
behind a cut line, each question would wait until its time is over, one after the other.
"""

from __future__ import annotations

import time
from typing import Any

import redis
import redis.sentinel


class RestingPool(redis.ConnectionPool):
    """Connects again to a server that did not answer once ``rest_seconds`` are over, and not before."""

    def __init__(self, *args: Any, rest_seconds: float = 0.0, **options: Any) -> None:
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0
        super().__init__(*args, **options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """A connection that is up.

        Raises:
            ConnectionError, TimeoutError: the server does not answer, or did not a moment ago.
        """
        if time.monotonic() < self._rests_until:
            raise redis.ConnectionError("Valkey did not answer a moment ago, and is not asked again yet.")
        try:
            return super().get_connection(*args, **options)
        except (redis.ConnectionError, redis.TimeoutError):
            self._rests_until = time.monotonic() + self._rest_seconds
            raise


class RestingSentinelPool(RestingPool, redis.sentinel.SentinelConnectionPool):
    """The same to whichever server the Sentinels call the primary."""
