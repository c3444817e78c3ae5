"""Binds each request to what it may see, and the stream that its answer may be as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from loremotion import row_security
from loremotion.row_security import Bounds

STAFF_PAGES = "admin/"


class RowSecurityMiddleware:
    """A request begins with nothing in sight; ``accounts.tenancy`` enters its workspace once it knows who is asking.

    On the admin's pages staff sees everything, which is what those are for; nobody else sees more there than elsewhere.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._answer_async(request)
        bounds = Bounds()
        with row_security.enforce_bounds(bounds):
            return bind(self.get_response(request), bounds)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        bounds = Bounds()
        with row_security.enforce_bounds(bounds):
            return bind(await self.get_response(request), bounds)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        route = request.resolver_match.route if request.resolver_match is not None else ""
        if route.startswith(STAFF_PAGES) and request.user.is_active and request.user.is_staff:
            row_security.lift()


def bind(response: HttpResponseBase, bounds: Bounds) -> HttpResponseBase:
    """A stream is made after the view and every middleware have returned, and in the request's bounds all the same."""
    if response.streaming:
        stream = cast(StreamingHttpResponse, response)
        parts = stream.streaming_content
        stream.streaming_content = _bound_async(parts, bounds) if stream.is_async else _bound(parts, bounds)  # type: ignore[arg-type]
    return response


def _bound(parts: Iterator[bytes], bounds: Bounds) -> Iterator[bytes]:
    # Step by step: between two parts this thread may work for somebody else.
    while True:
        with row_security.enforce_bounds(bounds):
            try:
                part = next(parts)
            except StopIteration:
                return
        yield part


async def _bound_async(parts: AsyncIterator[bytes], bounds: Bounds) -> AsyncIterator[bytes]:
    while True:
        with row_security.enforce_bounds(bounds):
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return
        yield part
