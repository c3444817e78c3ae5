"""Every request has an id: the caller's, or one of ours. It is echoed, and is on every line that the request logs."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from gpu_worker import log_context
from loremotion.bodies import App, Message, Receive, Send

HEADER: Final = b"x-request-id"


class RequestIds:
    """An ASGI application around all others, in whose block the id is in force. One that is no id is replaced."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        said = next((value for name, value in scope["headers"] if name == HEADER), b"").decode("latin-1")
        request_id = log_context.clean_id(said) or uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, request_id.encode())]}
            await send(message)

        with log_context.bound(request_id=request_id):
            await self._app(scope, receive, send_with_id)
