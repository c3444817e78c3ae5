"""Row by row through a sweep: one row that cannot be served keeps none of the others waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import redis
from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)
_Row = TypeVar("_Row")


def each(rows: Iterable[_Row], action: Callable[[_Row], None]) -> int:
    """Run ``action`` on every row. What fails is logged with its row, and comes again in the next round.

    Returns:
        How many were served.

    Raises:
        RedisError, OperationalError, InterfaceError: a store is away, which no other row would fare better with.
    """
    served = 0
    for row in rows:
        try:
            action(row)
            served += 1
        except (redis.RedisError, OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("%s: %r could not be served; the others go on", action.__name__, row)
    return served
