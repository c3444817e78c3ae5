"""OpenTelemetry for a site with ``OTEL_EXPORTER_OTLP_ENDPOINT``: traces that are written when what they tell is over.

Spans go to the collector from a thread of their own, by OpenTelemetry's SDK: nothing waits for it, and while it is away
what does not fit into the SDK's queue is dropped. Without the address its packages are not even imported.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE: Final = "loremotion"


@dataclass(frozen=True, slots=True)
class Part:
    """Something that took time: what it was, from when to when, and what it is made of."""

    name: str
    began: datetime
    ended: datetime
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    parts: Sequence[Part] = ()
    error: str = ""
    """Why it failed, as a code; empty where it did not."""


def is_on() -> bool:
    """Whether there is anybody to send traces to."""
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT)


def send(trace_id: UUID, whole: Part) -> None:
    """Send a trace of this id, whose root is ``whole``. The SDK's sampler may decide against it, as a whole."""
    from opentelemetry.context import Context

    provider = _provider(os.getpid())
    with _ids.begin(trace_id):
        _send(provider, whole, Context())


def flush() -> None:
    """Return once what was sent so far is with the collector, or could not be brought there."""
    _provider(os.getpid()).force_flush()


def _send(provider: TracerProvider, part: Part, within: object) -> None:
    from opentelemetry.context import Context
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    assert isinstance(within, Context)
    tracer = provider.get_tracer(SERVICE)
    span = tracer.start_span(part.name, within, attributes=part.attributes, start_time=_nanoseconds(part.began))
    for each in part.parts:
        _send(provider, each, set_span_in_context(span, within))
    if part.error:
        span.set_status(Status(StatusCode.ERROR, part.error))
    span.end(_nanoseconds(part.ended))


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e9)


class _Ids(threading.local):
    """Which id the next trace of this thread has."""

    trace_id: UUID | None = None

    def begin(self, trace_id: UUID) -> _Ids:
        self.trace_id = trace_id
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.trace_id = None


_ids = _Ids()


@lru_cache(maxsize=1)
def _provider(pid: int) -> TracerProvider:
    """The SDK's own, by its own variables; of each process, since its thread does not survive a fork."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError as problem:
        raise ImproperlyConfigured("OTEL_EXPORTER_OTLP_ENDPOINT: install requirements/tracing.txt first.") from problem

    class Ids(RandomIdGenerator):
        """A trace is found by the id of what it tells of."""

        def generate_trace_id(self) -> int:
            return super().generate_trace_id() if _ids.trace_id is None else _ids.trace_id.int

    facts = {"service.name": SERVICE, "service.version": settings.RELEASE or "unknown"}
    provider = TracerProvider(id_generator=Ids(), resource=Resource.create(facts))
    endpoint = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return provider
