"""A clip that has ended is told of to OpenTelemetry: from the click to its end, in one trace, and nobody's words."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Visitor
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import settle
from gpu_worker.contract import Outcome
from loremotion import tracing
from tests.generation import factories

PROMPT = "a secret wish of somebody's"


class Collector:
    """What takes spans as an OpenTelemetry collector does, over HTTP."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        collector = self

        class Traces(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector.requests.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Traces)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> dict[str, Span]:
        tracing.flush()
        found = [ExportTraceServiceRequest.FromString(body) for body in self.requests]
        return {
            span.name: span
            for request in found
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def collector(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = made.address
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    tracing._provider.cache_clear()
    yield made
    tracing._provider(os.getpid()).shutdown()
    tracing._provider.cache_clear()
    made.server.shutdown()


@pytest.fixture
def running(alice: Visitor) -> Generation:
    factories.model()
    clip = factories.submitted(alice.workspace, PROMPT)
    dispatch.fill_window()
    clip.refresh_from_db()
    settle.start(generation_id=clip.id, attempt=1, worker="gpu-test")
    factories.deliver_clip(clip)
    return clip


def test_a_clip_is_one_trace_from_the_click_to_its_end(
    running: Generation, collector: Collector, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    said = factories.report(running, stage_seconds={"denoising": 0.002, "loading": 0.001, "decoding": 0.0005})
    with django_capture_on_commit_callbacks(execute=True):
        assert settle.settle(said)
    running.refresh_from_db()
    spans = collector.spans()
    assert {span.trace_id for span in spans.values()} == {running.id.bytes}
    root, render = spans["clip"], spans["render"]
    assert not root.parent_span_id
    assert {name for name, span in spans.items() if span.parent_span_id == root.span_id} == {
        *("hold", "queued", "dispatched", "render", "report and settle"),
    }
    stages = [name for name, span in spans.items() if span.parent_span_id == render.span_id]
    assert sorted(stages) == ["decoding", "denoising", "loading"]
    assert spans["loading"].end_time_unix_nano == spans["denoising"].start_time_unix_nano
    assert root.start_time_unix_nano == round(running.created_at.timestamp() * 1e9)
    assert running.finished_at is not None
    assert root.end_time_unix_nano == round(running.finished_at.timestamp() * 1e9)
    told = {each.key: each.value for each in root.attributes}
    assert told["loremotion.model"].string_value == "toy"
    assert told["loremotion.attempts"].int_value == 1
    everything = b"".join(collector.requests)
    assert PROMPT.encode() not in everything
    assert str(running.workspace_id).encode() not in everything


def test_why_a_clip_failed_stands_at_its_trace(
    running: Generation, collector: Collector, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        settle.settle(factories.report(running, Outcome.FAILED))
    status = collector.spans()["clip"].status
    running.refresh_from_db()
    assert (status.code, status.message) == (Status.STATUS_CODE_ERROR, running.error_code)


def test_a_clip_that_never_began_has_waited_all_its_time(
    alice: Visitor, collector: Collector, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    factories.model()
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(created_at=clip.created_at - timedelta(minutes=5))
    with django_capture_on_commit_callbacks(execute=True):
        settle.cancel(clip)
    spans = collector.spans()
    assert set(spans) == {"clip", "hold", "queued"}
    assert spans["queued"].end_time_unix_nano == spans["clip"].end_time_unix_nano


def test_without_a_collector_nothing_of_it_is_asked(
    running: Generation, settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    tracing._provider.cache_clear()
    with django_capture_on_commit_callbacks(execute=True):
        settle.settle(factories.report(running))
    assert tracing._provider.cache_info().misses == 0
