"""How long an answer waits for a reader. uvicorn waits for ever."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from loremotion.bodies import App, Message, Receive, Send

logger = logging.getLogger(__name__)

UNREAD_SECONDS: Final = 60.0
"""Who takes nothing for so long has left. What a stream is silent for does not count."""


class SendDeadline:
    """An ASGI application around another, to which a reader who does not read looks like one who left."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        has_left = False
        listening = set[asyncio.Timeout]()

        async def received() -> Message:
            if has_left:
                return {"type": "http.disconnect"}
            try:
                async with asyncio.timeout(None) as until_they_leave:
                    listening.add(until_they_leave)
                    return await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            finally:
                listening.discard(until_they_leave)

        async def sent(message: Message) -> None:
            nonlocal has_left
            try:
                async with asyncio.timeout(UNREAD_SECONDS):
                    await send(message)
            except TimeoutError:
                logger.info("%s is not read, and is not sent any further", scope["path"])
                has_left = True
                for listener in listening:
                    listener.reschedule(0.0)
                await asyncio.Event().wait()  # Django, which hears that the reader has left, ends this

        await self._app(scope, received, sent)
