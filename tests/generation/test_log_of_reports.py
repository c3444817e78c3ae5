"""Whatever the processes ``reports`` and ``signing`` log of a job leads back to the click and to the clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import connection

from accounts.models import Visitor
from catalog.models import Model
from generation import reports
from generation.models import Generation
from generation.provenance import signing
from generation.scheduling import dispatch
from generation.settlement import retries, settle, signing_queue
from gpu_worker.log_context import ContextFilter
from gpu_worker.valkey_names import FINISHED_FUNCTION, STARTED_FUNCTION, WORKER_LOST_FUNCTION
from loremotion import queue_worker, queues
from tests.generation import factories
from tests.test_log_of_queues import broken, leads_back, said_as_json, without_database

CALLS: dict[str, tuple[str, Callable[[Generation, dict[str, Any]], tuple[object, ...]]]] = {
    STARTED_FUNCTION: ("reports", lambda _, said: (*said_by(said), "gpu-test", said["secret"])),
    FINISHED_FUNCTION: ("reports", lambda _, said: (said,)),
    WORKER_LOST_FUNCTION: ("reports", lambda _, said: (*said_by(said), "gpu-test", "gone", said["secret"])),
    signing_queue.SETTLE_SIGNED: ("signing", lambda _, said: (said,)),
    signing_queue.SIGN_LATE: ("signing", lambda clip, _: (str(clip.id),)),
}
"""Function → its queue, and its arguments from a report."""
FORGED: dict[str, dict[str, Any]] = {
    "the secret": {"secret": "x" * 43},
    "the attempt": {"attempt": 77},
    "the worker": {"worker": "gpu\x00"},
    "a figure": {"peak_bytes": -1},
    "the message": {"stage_seconds": "none"},
}


def said_by(report: dict[str, Any]) -> tuple[object, object]:
    return report["generation_id"], report["attempt"]


def ids_of(clip: Generation) -> dict[str, str]:
    return {"request_id": "click-1", "generation_id": str(clip.id)}


@pytest.fixture
def clip(
    toy: Model, alice: Visitor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis
) -> Generation:
    """One that a worker has in hand, and whose file is there."""
    monkeypatch.setattr(queue_worker, "close_old_connections", lambda: None)  # the test's transaction is in it
    monkeypatch.setattr(queue_worker, "replace_process", lambda: None)
    generation = factories.submitted(alice.workspace)
    Generation.objects.filter(id=generation.id).update(request_id="click-1")
    dispatch.fill_window()
    factories.deliver_clip(generation)
    caplog.clear()
    return generation


def worked_off(function: str, clip: Generation, **changes: Any) -> None:
    queue, arguments = CALLS[function]
    said = factories.report(clip).to_wire() | changes
    queues.queue(queue).enqueue_call(function, args=arguments(clip, said))
    queue_worker.work(queue, burst=True)


def astray(caplog: pytest.LogCaptureFixture, ids: dict[str, str]) -> list[str]:
    """What was warned of without a word of the click and the clip."""
    warned = [line for line in said_as_json(caplog) if line["level"] != "INFO" and "job_id" in line]
    assert warned
    return [line["message"] for line in warned if not leads_back(line, ids)]


def test_every_function_of_both_queues_is_tried() -> None:
    of_no_clip = "generation.reports.key_tested"  # what came of trying a workspace's own key
    assert set(CALLS) == {*reports.JOBS, *signing_queue.JOBS} - {of_no_clip}


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("failure", [broken, without_database])
def test_every_line_of_a_job_that_fails_names_the_click_and_the_clip(
    function: str,
    failure: Callable[..., Any],
    clip: Generation,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if function == signing_queue.SIGN_LATE:
        settle.settle(factories.report(clip))  # delivered unsigned
    for module, name in ((settle, "start"), (settle, "settle"), (retries, "requeue"), (signing, "sign_clip")):
        monkeypatch.setattr(module, name, failure)
    with caplog.filtering(ContextFilter()):
        worked_off(function, clip)
    assert astray(caplog, ids_of(clip)) == []


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("function", [FINISHED_FUNCTION, signing_queue.SETTLE_SIGNED])
def test_what_is_refused_names_them_too(
    function: str, forged: str, clip: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    """As far as they can be known: what cannot be read at all names the clip that it speaks of."""
    with caplog.filtering(ContextFilter()):
        worked_off(function, clip, **FORGED[forged])
    ids = ids_of(clip)
    if forged == "the message":
        del ids["request_id"]
    assert astray(caplog, ids) == []


@pytest.mark.parametrize("function", [STARTED_FUNCTION, WORKER_LOST_FUNCTION])
def test_a_begin_and_a_loss_that_are_refused_name_them_too(
    function: str, clip: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.filtering(ContextFilter()):
        worked_off(function, clip, secret="x" * 43)
    assert astray(caplog, ids_of(clip)) == []


@pytest.mark.parametrize("function", CALLS)
def test_what_finds_no_database_names_the_clip(
    function: str, clip: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    queue, arguments = CALLS[function]
    queues.queue(queue).enqueue_call(function, args=arguments(clip, factories.report(clip).to_wire()))
    with caplog.filtering(ContextFilter()), connection.execute_wrapper(without_database):
        queue_worker.work(queue, burst=True)
    assert astray(caplog, {"generation_id": str(clip.id)}) == []
