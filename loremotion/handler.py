"""Django's ASGI handler, in which everything of a request that is no coroutine runs in one go on one thread."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, set_script_prefix

from loremotion.bodies import ROUTE, Receive, Send
from loremotion.lasting import shared_thread, thread_for
from loremotion.request_threads import leave_own_thread
from loremotion.stream_limits import LimitedStream


class OneThreadHandler(ASGIHandler):
    """Answers each request as Django's own handler does, on one thread from the signal of its beginning to that of its
    end, or until its answer begins to be streamed.

    Django's own goes back to the loop behind the last middleware that is not asynchronous, and once more to the thread
    for each ``process_view``, for the view and for either signal: eight changes here, and more than a third of what a
    short answer takes. A view that is a coroutine runs on the loop all the same.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        async with thread_for(scope.get("path", "")):
            await super().__call__(scope, receive, send)

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            if request is not None:
                await self._serve(request, receive, send)
            elif refusal is not None:
                await self.send_response(refusal, send)

    async def _serve(self, request: ASGIRequest, receive: Receive, send: Send) -> None:
        """Answer, unless whoever asks leaves before. However it ends, also in an error, the answer is closed."""
        response: HttpResponseBase | None = None

        async def respond() -> None:
            nonlocal response
            response = await self.run_get_response(request)
            await self.send_response(response, send)

        both = asyncio.create_task(self.listen_for_disconnect(receive)), asyncio.create_task(respond())
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()  # which does nothing to one that is done
            await asyncio.wait(both)
            await self._end(response)
        for task in both:
            with suppress(RequestAborted, asyncio.CancelledError):  # they left: of the task, which is done
                task.result()

    async def _end(self, response: HttpResponseBase | None) -> None:
        if response is None:
            await signals.request_finished.asend(sender=self.__class__)
        elif not response.closed:
            await sync_to_async(response.close)()

    def resolve_request(self, request: Any) -> ResolverMatch:
        """What the path leads to, which ``BodyLimit`` has found out of a request with a body."""
        path, match = request.scope.get(ROUTE, (None, None))
        if path != request.path_info or hasattr(request, "urlconf"):
            match = super().resolve_request(request)
        request.resolver_match = match
        found: ResolverMatch = match
        return found

    async def get_response_async(self, request: Any) -> HttpResponseBase:
        return await sync_to_async(self._answer, thread_sensitive=True)(request)

    def _answer(self, request: ASGIRequest) -> HttpResponseBase:
        """The answer, with what was sent off the disk: Django would keep it until a stream has ended. One that is whole
        needs nothing any more."""
        signals.request_started.send(sender=self.__class__, scope=request.scope)
        response = self.get_response(request)
        request.close()
        if not response.streaming:
            response._handler_class = self.__class__  # type: ignore[attr-defined]  # not in its stubs
            response.close()
        return response

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        if not isinstance(response, LimitedStream) or response.keeps_thread:
            return await super().send_response(response, send)
        leave_own_thread()  # which is idle meanwhile
        async with shared_thread():
            await super().send_response(response, send)
