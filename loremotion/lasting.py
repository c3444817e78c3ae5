"""Requests that last for minutes. Django gives each request a thread of its own, for as long as the request lasts, and
a watcher's would idle in it; these share a few instead."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, Final

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from loremotion.bodies import App, Receive, Send

LASTING: Final = re.compile(r"/(generations|v1/videos)/[0-9a-f-]{36}/events/?")
THREADS: Final = 4
"""Enough to find out who is asking; what follows is done on the loop."""
_shared: Final = tuple(ThreadPoolExecutor(max_workers=1, thread_name_prefix="lasting") for _ in range(THREADS))
_next_thread: Final = cycle(_shared)


@asynccontextmanager
async def shared_thread() -> AsyncIterator[None]:
    """Have what is no coroutine in this block done by one of the shared threads. The one that the request had for
    itself, which is idle, ends."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    own = SyncToAsync.context_to_thread_executor.get(context) if context is not None else None
    if context is not None and own is not None and own not in _shared:
        del SyncToAsync.context_to_thread_executor[context]
        own.shutdown(wait=False)
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
