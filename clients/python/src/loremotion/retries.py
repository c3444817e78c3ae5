"""When a request is sent again. Requests that cost credits carry an idempotency key, so they are safe to repeat."""

from __future__ import annotations

import random

import httpx

from loremotion.errors import retry_after_seconds

MAX_ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
LONGEST_OBEYED_SECONDS = 60.0
"""A site that asks for more than this is not waited for: its answer is the error."""
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def pause_seconds(attempt: int, response: httpx.Response | None) -> float | None:
    """How long to wait before attempt ``attempt + 1``; None where ``response`` is the answer.

    Args:
        attempt: counts from 1.
        response: what the site answered; None where the connection failed.
    """
    if response is None:
        return _backoff_seconds(attempt)
    if response.status_code not in _AGAIN or response.headers.get("x-should-retry") == "false":
        return None
    asked = retry_after_seconds(response)
    if asked is None:
        return _backoff_seconds(attempt)
    return asked if asked <= LONGEST_OBEYED_SECONDS else None


def _backoff_seconds(attempt: int) -> float:
    """Twice as long each time, less up to a quarter, so that many clients do not come back together."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1)) * (1 - random.random() / 4)
