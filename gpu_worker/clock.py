"""By how much the clock of a host is off: the store decides who is alive, but times in reports are the host's own."""

from __future__ import annotations

import time

import redis


def ahead_seconds(connection: redis.Redis) -> float:
    """Return the seconds by which this host's clock is ahead of the store's at least, negative where it is behind.

    The store looked at its own between question and answer: however long that took, no clock that is right is blamed.
    """
    asked_at = time.time()
    seconds, microseconds = connection.time()
    looked_at = seconds + microseconds / 1e6
    return max(0.0, asked_at - looked_at) or min(0.0, time.time() - looked_at)
