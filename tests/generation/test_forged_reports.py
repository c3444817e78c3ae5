"""Reports that nobody should believe: forged, stale or impossible. They change nothing, and the clip still ends."""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation import reports
from generation.attempt_secret import is_secret_of, secret_of
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import lost_attempts, retries, settle
from generation.storage import files
from gpu_worker import commands, log_context
from gpu_worker.contract import Outcome, RenderError, RenderJob, RenderReport
from gpu_worker.reports import Reports
from gpu_worker.wire import Wire
from loremotion import queues
from tests.generation import factories


@pytest.fixture
def running(toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    settle.start(generation_id=generation.id, attempt=1, worker="gpu-test")
    generation.refresh_from_db()
    factories.deliver_clip(generation)
    return generation


def said(generation: Generation, outcome: Outcome = Outcome.SUCCEEDED, **changes: Any) -> dict[str, Any]:
    """A report as it arrives, with ``changes`` to the message itself; those of ``clip`` change the facts."""
    message = factories.report(generation, outcome).to_wire()
    changes["clip"] = {**(message["clip"] or {}), **changes.pop("clip", {})} or None
    return message | changes


def leave(valkey: redis.Redis, generation: Generation, message: dict[str, Any]) -> None:
    """Its job has ended in RQ with this message as its result."""
    job = Job.fetch(generation.job_id, connection=valkey, serializer=JSONSerializer)
    job.set_status(JobStatus.FINISHED)
    job.ended_at = datetime.now(UTC)
    job.save()
    Result.create(job, Result.Type.SUCCESSFUL, ttl=1000, return_value=message)


def is_untouched(generation: Generation) -> bool:
    generation.refresh_from_db()
    receipt = ledger.receipt(reference=generation.id)
    return (generation.state, generation.attempt, receipt.state) == (State.RUNNING, 1, "open")


FORGERIES: dict[str, dict[str, Any]] = {
    "another attempt's secret": {"secret": secret_of("5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1", 1)},
    "no secret": {"secret": ""},
    "a secret that is none": {"secret": "x" * 43},
    "a secret that is no text": {"secret": 7},
    "a secret of half a character": {"secret": "\ud800"},
    "an attempt that has not begun": {"attempt": 77},
    "attempt nought": {"attempt": 0},
    "an attempt before the first": {"attempt": -1},
    "no generation": {"generation_id": "../../inputs"},
    "a generation in other letters": {"generation_id": "urn:uuid:5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1"},
}
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "seconds beyond all bounds": {"stage_seconds": {"denoising": 1e300}},
    "seconds that run backwards": {"stage_seconds": {"denoising": 30.0, "loading": -1.0}},
    "more seconds than an attempt may take": {"stage_seconds": {"denoising": 61.0, "loading": 60.0}},
    "more seconds of delivery than it may take": {"stage_seconds": {"denoising": 61.0, "uploading": 60.0}},
    "seconds that are no number": {"stage_seconds": {"denoising": float("nan")}},
    "a stage with an odd name": {"stage_seconds": {"\x00": 1.0}},
    "a thousand stages": {"stage_seconds": {"a" * (1 + n % 30) + "_" * (n // 30): 0.0 for n in range(1000)}},
    "steps undone": {"steps_done": -5},
    "more steps of an earlier attempt than were made": {"resumed_from_step": 9, "steps_done": 8},
    "fewer steps of an earlier attempt than none": {"resumed_from_step": -1},
    "more steps than can be counted": {"steps_total": 2**40},
    "more bytes than there are": {"peak_bytes": 10**30},
    "fewer bytes than none": {"peak_bytes": -1},
    "a cosine of two": {"similarity": 2.0},
    "an outcome that is none": {"outcome": "triumph"},
    "an odd worker": {"worker": "gpu\x00"},
    "a clip with no width": {"clip": {"width": 0}},
    "a clip wider than any": {"clip": {"width": 2**40}},
    "a clip of endless length": {"clip": {"duration_seconds": float("inf")}},
    "a clip of no bytes": {"clip": {"size_bytes": 0}},
    "a clip larger than its frames": {"clip": {"size_bytes": 2**40}},
    "a digest that is none": {"clip": {"sha256": "no digest"}},
}


@pytest.mark.parametrize("forgery", FORGERIES | IMPOSSIBLE)
def test_it_is_refused_and_logged_and_changes_nothing(
    running: Generation, forgery: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not reports.finished(said(running, **(FORGERIES | IMPOSSIBLE)[forgery]))
    assert is_untouched(running)
    assert "is refused" in caplog.text
    assert secret_of(str(running.id), 1) not in caplog.text


def test_a_request_that_a_host_makes_up_is_on_no_line(running: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on those of the mail and the webhooks that follow: they take the request that is in force."""
    Generation.objects.update(request_id="click-1")
    in_force: list[tuple[str, str]] = []

    def noted(*_: object, **__: object) -> bool:
        in_force.append((log_context.current("request_id"), log_context.current("generation_id")))
        return True

    for module, function in ((settle, "start"), (settle, "settle"), (retries, "requeue")):
        monkeypatch.setattr(module, function, noted)
    secret = secret_of(str(running.id), 1)
    assert reports.started(str(running.id), 1, "gpu-test", secret)
    assert reports.finished(said(running, request_id="somebody-elses"))
    assert reports.worker_lost(str(running.id), 1, "gpu-test", "gone", secret)
    assert in_force == [("click-1", str(running.id))] * 3


@pytest.mark.parametrize("secret", ["", "x" * 43])
def test_a_forged_report_that_comes_first_does_not_keep_the_true_one_out(
    running: Generation, valkey: redis.Redis, secret: str
) -> None:
    Reports(valkey, "a thief").finished(factories.report(running, Outcome.FAILED, secret=secret))
    Reports(valkey, "gpu-test").finished(factories.report(running))
    believed = [reports.finished(*job.args) for job in queues.queue("reports").get_jobs()]
    assert believed == [False, True]
    running.refresh_from_db()
    assert running.state == State.SUCCEEDED


@pytest.mark.parametrize("impossible", IMPOSSIBLE)
def test_a_clip_whose_only_report_is_refused_goes_to_another_worker(
    running: Generation, valkey: redis.Redis, impossible: str
) -> None:
    leave(valkey, running, said(running, **IMPOSSIBLE[impossible]))
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=10), tick=False):
        lost_attempts.reclaim_from_dead_workers()
    running.refresh_from_db()
    assert (running.state, running.attempt) == (State.QUEUED, 1)


def texts_of(message: type[Wire], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of a message that hold text, also those of the messages within."""
    hints = typing.get_type_hints(message)
    for field in dataclasses.fields(message):  # type: ignore[arg-type]  # every message is a dataclass
        kinds = typing.get_args(hints[field.name]) or (hints[field.name],)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, Wire):
                yield from texts_of(kind, (*path, field.name))
            elif isinstance(kind, type) and issubclass(kind, str):
                yield (*path, field.name)


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "x" * 10_000], ids=["nul", "half a character", "no end"])
@pytest.mark.parametrize("place", list(texts_of(RenderReport)), ids=".".join)
def test_whatever_a_host_writes_into_a_text_its_clip_ends(
    running: Generation,
    valkey: redis.Redis,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    place: tuple[str, ...],
    odd: str,
) -> None:
    """Also what it leaves as the result of its job, which is read where no report is heard."""
    error = RenderError(code="out_of_memory", message="It is too small.").to_wire()
    message = said(running, Outcome.FAILED, error=error) if place[0] == "error" else said(running)
    *within, name = place
    part = message
    for step in within:
        part = part[step]
    part[name] = {odd: 0.0} if isinstance(part[name], dict) else odd
    with django_capture_on_commit_callbacks(execute=True):
        reports.finished(message)
    running.refresh_from_db()
    if running.state == State.RUNNING:
        leave(valkey, running, message)
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=10), tick=False):
            lost_attempts.reclaim_from_dead_workers()
    running.refresh_from_db()
    assert running.state != State.RUNNING
    assert "could not be served" not in caplog.text


def test_a_result_that_speaks_of_another_clip_counts_as_none(
    running: Generation, bob: Visitor, valkey: redis.Redis
) -> None:
    other = factories.submitted(bob.workspace)
    dispatch.fill_window()
    leave(valkey, running, said(other, Outcome.FAILED))
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=10), tick=False):
        lost_attempts.reclaim_from_dead_workers()
    running.refresh_from_db()
    other.refresh_from_db()
    assert (running.state, other.state) == (State.QUEUED, State.DISPATCHED)


@pytest.mark.parametrize("secret", ["", "x" * 43, secret_of("5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1", 1)])
def test_a_begin_and_a_loss_need_the_secret_too(toy: Model, alice: Visitor, secret: str) -> None:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    name = str(generation.id)
    assert not reports.started(name, 1, "gpu-test", secret)
    assert not reports.worker_lost(name, 1, "gpu-test", "gone", secret)
    generation.refresh_from_db()
    assert generation.state == State.DISPATCHED
    assert reports.started(name, 1, "gpu-test", secret_of(name, 1))
    assert reports.worker_lost(name, 1, "gpu-test", "gone", secret_of(name, 1))


@pytest.mark.parametrize(
    ("attempt", "worker"), [(True, "w"), (1.0, "w"), ("1", "w"), (None, "w"), (1, None), (1, "\n")]
)
def test_a_begin_of_other_types_is_refused(running: Generation, attempt: Any, worker: Any) -> None:
    assert not reports.started(str(running.id), attempt, worker, secret_of(str(running.id), 1))
    assert is_untouched(running)


def test_the_job_carries_the_secret_and_no_log_can(running: Generation) -> None:
    job = running.render_job(inputs={}, outputs={})
    assert is_secret_of(job.secret, str(running.id), 1)
    assert job.secret not in repr(job)
    assert job.secret not in repr(factories.report(running))
    assert RenderJob.from_wire(job.to_wire()) == job


def test_a_key_that_was_replaced_still_opens(running: Generation, settings: Settings) -> None:
    message = said(running)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, just as long as the one that came before it"
    assert reports.finished(message)
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_secret_of(message["secret"], str(running.id), 1)


def test_an_attempt_of_the_last_release_ends_without_a_secret(running: Generation) -> None:
    Generation.objects.filter(id=running.id).update(has_attempt_secret=False)
    assert not reports.finished(said(running, secret="x" * 43))
    assert reports.finished(said(running, secret=""))
    running.refresh_from_db()
    assert running.state == State.SUCCEEDED


def test_what_follows_an_attempt_of_the_last_release_needs_a_secret(running: Generation) -> None:
    Generation.objects.filter(id=running.id).update(has_attempt_secret=False)
    assert reports.worker_lost(str(running.id), 1, "gpu-test", "gone")
    dispatch.fill_window()
    running.refresh_from_db()
    assert (running.state, running.attempt) == (State.DISPATCHED, 2)
    assert not reports.finished(said(running, secret=""))
    assert not reports.finished(said(running, secret="", attempt=1))


def test_a_report_on_what_is_erased_deletes_nothing_without_the_secret(running: Generation) -> None:
    forged, true = said(running, secret=""), said(running)
    key = files.key(running, files.CLIP)
    ledger.release(reference=running.id)
    Generation.objects.filter(id=running.id).delete()
    assert not reports.finished(forged)
    assert default_storage.exists(key)
    assert not reports.finished(true)
    assert not default_storage.exists(key)


@pytest.mark.parametrize(
    "content",
    [
        factories.CLIP_BYTES[:-1],
        factories.CLIP_BYTES[:-1] + b"!",
        b"<html>not a film".ljust(len(factories.CLIP_BYTES)),
        b"",
    ],
    ids=["short", "changed", "no film", "empty"],
)
def test_nobody_pays_for_a_file_that_is_not_the_clip(running: Generation, content: bytes) -> None:
    key = files.key(running, files.CLIP)
    default_storage.delete(key)
    default_storage.save(key, ContentFile(content))
    reports.finished(said(running))
    running.refresh_from_db()
    assert running.state == State.QUEUED
    assert ledger.receipt(reference=running.id).state == "open"


def test_nobody_pays_for_a_clip_that_only_its_worker_calls_cancelled(running: Generation) -> None:
    for attempt in (1, 2, 3):
        reports.finished(said(running, Outcome.CANCELLED, steps_done=8, steps_total=8))
        running.refresh_from_db()
        assert (running.state, running.attempt) == (State.QUEUED if attempt < 3 else State.FAILED, attempt)
        dispatch.fill_window()
    receipt = ledger.receipt(reference=running.id)
    assert (receipt.captured, receipt.released) == (0, running.credits_quoted)


def test_nobody_pays_for_a_clip_that_the_fleets_operator_cancels(running: Generation, valkey: redis.Redis) -> None:
    commands.cancel(valkey, str(running.id))
    reports.finished(said(running, Outcome.CANCELLED, steps_done=8, steps_total=8))
    running.refresh_from_db()
    receipt = ledger.receipt(reference=running.id)
    assert (running.state, receipt.captured, receipt.released) == (State.CANCELLED, 0, running.credits_quoted)


def test_a_film_that_is_no_mp4_is_not_kept_whatever_its_report_says(running: Generation) -> None:
    content = b"<html>not a film"
    key = files.key(running, files.CLIP)
    default_storage.delete(key)
    default_storage.save(key, ContentFile(content))
    digest = hashlib.sha256(content).hexdigest()
    reports.finished(said(running, clip={"size_bytes": len(content), "sha256": digest}))
    running.refresh_from_db()
    assert running.state == State.QUEUED
