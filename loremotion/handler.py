"""Django's ASGI handler, in which everything of a request that is no coroutine runs in one go on one thread."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from loremotion.bodies import Receive, Send
from loremotion.lasting import shared_thread
from loremotion.request_threads import own_thread
from loremotion.stream_limits import LimitedStream


class OneThreadHandler(ASGIHandler):
    """Answers each request as Django's own handler does, on one thread from the first middleware to the view.

    Django's own goes back to the loop behind the last middleware that is not asynchronous, and once more to the thread
    for each ``process_view`` and for the view: six changes here, and a third of what a short answer takes. A view that
    is a coroutine runs on the loop all the same.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        async with own_thread():
            await super().__call__(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self._answer, thread_sensitive=True)(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, with what was sent off the disk: Django would keep it until a stream has ended."""
        response = self.get_response(request)
        request.close()
        return response

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        if not isinstance(response, LimitedStream) or response.keeps_thread:
            return await super().send_response(response, send)
        async with shared_thread():
            await super().send_response(response, send)
