"""Requests that last for minutes. Django gives each request a thread of its own, for as long as the request lasts, and
a watcher's would idle in it; these share a few instead."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext

from loremotion.bodies import App, Receive, Send

LASTING: Final = re.compile(r"/(generations|v1/videos)/[0-9a-f-]{36}/events/?")
THREADS: Final = 4
"""Enough to find out who is asking; what follows is done on the loop."""


class SharedThreads:
    """An ASGI application around Django's, under which lasting requests share ``THREADS`` threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        threads = [ThreadPoolExecutor(max_workers=1, thread_name_prefix="lasting") for _ in range(THREADS)]
        self._next_thread = cycle(threads)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not LASTING.fullmatch(scope["path"]):
            return await self._app(scope, receive, send)
        async with ThreadSensitiveContext(executor=next(self._next_thread)):
            await self._app(scope, receive, send)
