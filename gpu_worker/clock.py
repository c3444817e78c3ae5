"""By how much the clock of a host is off: the store decides who is alive, but times in reports are the host's own."""

from __future__ import annotations

import time

import redis


def ahead_seconds(connection: redis.Redis) -> float:
    """Return the seconds by which this host's clock is ahead of the store's, negative where it is behind.

    As exact as half of the time that the answer took.
    """
    asked_at = time.time()
    seconds, microseconds = connection.time()
    return (asked_at + time.time()) / 2 - (seconds + microseconds / 1e6)
