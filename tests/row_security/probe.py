"""A site with one more page: it finds out who is asking, as every page does, and then asks whatever a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path

from accounts import tenancy
from generation.models import Generation
from loremotion.urls import handler404, handler429, handler500
from loremotion.urls import urlpatterns as pages

__all__ = ["handler404", "handler429", "handler500"]

Question = Callable[[HttpRequest], Any]
PARTS = 3


class Curiosity:
    """What the probe asks next."""

    question: Question


def probe(request: HttpRequest) -> JsonResponse:
    tenancy.caller_of(request)
    return JsonResponse({"answer": Curiosity.question(request)})


def probe_without_asking_who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"answer": Curiosity.question(request)})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Rows, read without a filter while the answer is being sent."""
    tenancy.caller_of(request)

    def parts() -> Iterator[str]:
        for _ in range(PARTS):
            yield prompts() + "\n"

    return StreamingHttpResponse(parts())


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    await sync_to_async(tenancy.caller_of)(request)

    async def parts() -> AsyncIterator[str]:
        for _ in range(PARTS):
            yield await sync_to_async(prompts_and_let_go)() + "\n"

    return StreamingHttpResponse(parts())


def prompts() -> str:
    """Every prompt that an unscoped query sees."""
    return ",".join(sorted(Generation.objects.values_list("prompt", flat=True)))


def prompts_and_let_go() -> str:
    """As ``generation.api.events`` does: between two looks the connection is somebody else's."""
    try:
        return prompts()
    finally:
        if not connection.in_atomic_block:
            connection.close()


urlpatterns = [
    path("v1/probe", probe),
    path("blind-probe", probe_without_asking_who),
    path("admin/probe/", probe_without_asking_who),
    path("probe/stream", stream),
    path("probe/stream-async", stream_async),
    *pages,
]
