"""Until when whoever asked for a page may be kept waiting for others that we ask meanwhile, over all that is asked.

Each call has a limit of its own, and a page makes several: one after the other they would add up to minutes. Workers
and commands, for whom nobody waits, have no such end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from loremotion.bodies import App, Receive, Send

PAGE_SECONDS: Final = 15.0

_ends_at: ContextVar[float] = ContextVar("page_ends_at", default=math.inf)


def seconds_left() -> float:
    """How long the present request may still wait for somebody else; without end where there is none."""
    return _ends_at.get() - time.monotonic()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let the block wait for others so long, all in all."""
    before = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(before)


class PageDeadline:
    """An ASGI application around the site's, which counts from when the head of a request is there."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        with within(PAGE_SECONDS):
            await self._app(scope, receive, send)
