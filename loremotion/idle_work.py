"""A web process that nobody asks for anything still works: it says so itself, by doing what requests need."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from asgiref.sync import sync_to_async

from loremotion import database, health
from loremotion.bodies import App, Receive, Send
from loremotion.request_threads import own_thread

EVERY_SECONDS: Final = 60.0
"""Well below the age from which ``health`` calls a web process late."""

logger = logging.getLogger(__name__)


class IdleWork:
    """An ASGI application around all others, which notes once a minute that this process works, for as long as the
    server's lifespan lasts.

    It takes the way of a request, from the loop to a request's thread and a connection of the pool. So a process whose
    loop, threads or connections are stuck says nothing, and is late like one that is gone.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self._app(scope, receive, send)
        await receive()  # the server starts
        working = asyncio.create_task(_go_on())
        await send({"type": "lifespan.startup.complete"})
        await receive()  # it ends
        working.cancel()
        await send({"type": "lifespan.shutdown.complete"})


async def _go_on() -> None:
    while True:
        try:
            async with own_thread():
                await sync_to_async(work, thread_sensitive=True)()
        except Exception:  # the next minute may be better; until then it is late, as it should be
            logger.exception("An idle web process could not do what requests need")
        await asyncio.sleep(EVERY_SECONDS)


def work() -> None:
    """Note that this process works, if the database answers over a connection that requests have."""
    if database.answers():
        health.web_work().note()
    database.give_back()
