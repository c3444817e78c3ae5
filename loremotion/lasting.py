"""Requests that last for minutes. Each request has a thread of its own for as long as it lasts, and a watcher's would
idle in it; these share a few instead."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext

from loremotion.bodies import App, Receive, Send
from loremotion.request_threads import leave_own_thread

LASTING: Final = re.compile(r"/(generations|v1/videos)/[0-9a-f-]{36}/events/?")
THREADS: Final = 4
"""Enough to find out who is asking; what follows is done on the loop."""
_shared: Final = tuple(ThreadPoolExecutor(max_workers=1, thread_name_prefix="lasting") for _ in range(THREADS))
_next_thread: Final = cycle(_shared)


@asynccontextmanager
async def shared_thread() -> AsyncIterator[None]:
    """Have what is no coroutine in this block done by one of the shared threads. Others get the one that the request
    had for itself, which is idle."""
    leave_own_thread()
    async with ThreadSensitiveContext(executor=next(_next_thread)):
        yield


class SharedThreads:
    """An ASGI application around Django's, under which lasting requests share ``THREADS`` threads."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not LASTING.fullmatch(scope["path"]):
            return await self._app(scope, receive, send)
        async with shared_thread():
            await self._app(scope, receive, send)
