"""Requests that last for minutes. Each request has a thread of its own for as long as it lasts, and a watcher's would
idle in it; these share a few instead."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import cycle
from typing import Final

from asgiref.sync import ThreadSensitiveContext

from loremotion.request_threads import own_thread

LASTING: Final = re.compile(r"/(generations|v1/videos)/[0-9a-f-]{36}/events/?")
THREADS: Final = 4
"""Enough to find out who is asking; what follows is done on the loop."""
_shared: Final = tuple(ThreadPoolExecutor(max_workers=1, thread_name_prefix="lasting") for _ in range(THREADS))
_next_thread: Final = cycle(_shared)


@asynccontextmanager
async def shared_thread() -> AsyncIterator[None]:
    """Have what is no coroutine in this block done by one of the shared threads."""
    async with ThreadSensitiveContext(executor=next(_next_thread)):
        yield


def thread_for(path: str) -> AbstractAsyncContextManager[None]:
    """Whose thread a request for ``path`` has."""
    return shared_thread() if LASTING.fullmatch(path) else own_thread()
