"""Row by row through a sweep: one row that cannot be served keeps none of the others waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import redis
from django.db import InterfaceError, OperationalError

from loremotion import log_ids

logger = logging.getLogger(__name__)
_Row = TypeVar("_Row")

SECONDS: Final = 5.0
"""After so long a sweep begins no other row in this round: the next one goes on where it stopped."""

_stopped_at: dict[str, int] = {}
"""Action → how many rows it came to in a round that was too short for all of them."""


def each(rows: Iterable[_Row], action: Callable[[_Row], None]) -> int:
    """Run ``action`` on every row. What fails is logged with its row, and comes again in the next round.

    A row that says ``log_ids`` has them on every line that is logged for it. At least one row is served, and none is
    begun after ``SECONDS``.

    Returns:
        How many were served.

    Raises:
        RedisError, OperationalError, InterfaceError: a store is away, which no other row would fare better with.
    """
    all_rows = list(rows)
    name = action.__qualname__
    first = _stopped_at.pop(name, 0) % max(1, len(all_rows))
    served = 0
    began = time.monotonic()
    for count, row in enumerate(all_rows[first:] + all_rows[:first]):
        if count and time.monotonic() - began > SECONDS:
            logger.info("%s: %d rows wait for the next round", action.__name__, len(all_rows) - count)
            _stopped_at[name] = first + count
            break
        with log_ids.bound(**getattr(row, "log_ids", {})):
            try:
                action(row)
                served += 1
            except (redis.RedisError, OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("%s: %r could not be served; the others go on", action.__name__, row)
    return served
