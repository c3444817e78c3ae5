"""Figures for Prometheus at ``/metrics``: what this process served, and how the site as a whole does.

Answered in front of Django, as the probes are: a scraper names the host by its number, and is not sent on to https.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from loremotion import database
from loremotion.bodies import App, Receive, Send
from loremotion.row_security import across_workspaces

PATH: Final = "/metrics"
ANSWERED_FOR_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 20.0
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE"})
UNKNOWN: Final = "unknown"
"""Stands for routes and methods that there are not: whoever asks can name any number of them."""

registry: Final = CollectorRegistry()
REQUESTS: Final = Histogram(
    "loremotion_request_seconds",
    "Time from a request to its answer, or to the beginning of one that is streamed",
    ["route", "method", "status"],
    buckets=BUCKETS,
    registry=registry,
)


def gauge(name: str, meaning: str, value: float | Mapping[str, float], label: str = "") -> Metric:
    """Return a figure of the site, called ``loremotion_<name>``: one value, or one by what ``label`` says."""
    family = GaugeMetricFamily(f"loremotion_{name}", meaning, labels=[label] if label else [])
    for key, each in value.items() if isinstance(value, Mapping) else [("", value)]:
        family.add_metric([key] if label else [], each)
    return family


class RequestTimer:
    """Middleware that counts requests by route, method and status, with the time that they took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.view_name or match.route if match is not None else UNKNOWN
        method = request.method if request.method in METHODS else UNKNOWN
        labels = (route, method, str(response.status_code))
        REQUESTS.labels(*labels).observe(time.perf_counter() - began)
        return response


class Metrics:
    """An ASGI application around another, in front of which ``/metrics`` is answered to whoever has the token.

    Without ``METRICS_TOKEN`` there is no such address. The site's figures are counted by one thread, and once in a
    few seconds however many ask.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")
        self._counting: asyncio.Future[bytes] | None = None
        self._counted_at = 0.0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or not settings.METRICS_TOKEN:
            return await self._app(scope, receive, send)
        if scope["method"] not in ("GET", "HEAD"):
            return await _answer(send, 405, b"")
        if not _is_let_in(scope["headers"]):
            return await _answer(send, 401, b"Send the token of METRICS_TOKEN as a bearer token.\n")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                text = await asyncio.shield(self._count())
        except TimeoutError:
            return await _answer(send, 503, b"The site's figures take too long.\n")
        await _answer(send, 200, generate_latest(registry) + text)

    def _count(self) -> asyncio.Future[bytes]:
        is_over = self._counting is not None and self._counting.done()
        if self._counting is None or (is_over and time.monotonic() - self._counted_at > ANSWERED_FOR_SECONDS):
            self._counted_at = time.monotonic()
            self._counting = asyncio.get_running_loop().run_in_executor(self._thread, site_figures)
        return self._counting


@across_workspaces("figures of the whole site, which hold nobody's words")
def site_figures() -> bytes:
    """Return what ``settings.SITE_FIGURES`` has to say, as Prometheus reads it."""

    class Figures:
        def collect(self) -> Iterable[Metric]:
            metrics: Iterable[Metric] = import_string(settings.SITE_FIGURES)()
            return metrics

    own = CollectorRegistry()
    own.register(Figures())
    try:
        return generate_latest(own)
    finally:
        database.give_back()


def _is_let_in(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    said = next((value for name, value in headers if name.lower() == b"authorization"), b"")
    return hmac.compare_digest(said, b"Bearer " + settings.METRICS_TOKEN.encode())


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", CONTENT_TYPE_LATEST.encode() if status == 200 else b"text/plain"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
