"""Figures that cost much to count, kept in Valkey for a while."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import redis
from django.core.cache import cache

_Value = TypeVar("_Value")


def get_or_make(key: str, make: Callable[[], _Value], *, seconds: float) -> _Value:
    """Return what is kept under ``key``, or else what ``make`` returns now, which is kept for so many seconds.

    Without Valkey it is made each time: staff needs its figures then most of all. What is made must come back from JSON
    as it was: no tuples, and no keys but text.
    """
    try:
        kept: _Value | None = cache.get(key)
    except redis.RedisError:
        return make()
    if kept is None:
        kept = make()
        with suppress(redis.RedisError):
            cache.set(key, kept, seconds)
    return kept
