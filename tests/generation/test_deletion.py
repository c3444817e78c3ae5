"""One clip is deleted: files and words go, the receipt stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import DjangoCaptureOnCommitCallbacks
from rq.results import Result

from accounts.models import Visitor
from catalog.models import Model
from generation import workspace_data
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import deletion, housekeeping, settle
from generation.storage import files, retention, traces
from gpu_worker.contract import Outcome
from gpu_worker.reports import Reports
from gpu_worker.valkey_names import cancel_key, job_id, progress_key
from loremotion import queues
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished


def test_deleting_takes_files_and_words_and_leaves_the_receipt(
    toy: Model,
    alice: Visitor,
    client_of: ClientOf,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    generation = finished(alice)
    sent = default_storage.save(f"{files.INPUTS}{generation.id}/image.png", ContentFile(b"picture"))
    Generation.objects.filter(id=generation.id).update(inputs={"image": sent}, prompt="my own words")
    page, client = f"/generations/{generation.id}/", client_of(alice)

    assert "Delete this clip" in client.get(page).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"{page}delete/", follow=True)
    assert "my own words" not in answer.content.decode()
    assert "Clip deleted." in answer.content.decode()

    assert not any(default_storage.exists(key) for key in (sent, files.key(generation, files.CLIP)))
    assert client.get(f"{page}clip.mp4").status_code == 404
    receipt = client.get(page).content.decode()
    assert "You deleted this clip" in receipt
    assert f"<dd>{generation.credits_quoted}</dd>" in receipt
    assert "my own words" not in receipt
    assert Generation.objects.get(id=generation.id).inputs == {}


def test_files_that_a_crash_left_go_with_the_next_sweep(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = finished(alice)
    client_of(alice).delete(f"/v1/videos/{generation.id}")  # nothing after the commit is run
    assert default_storage.exists(files.key(generation, files.CLIP))
    assert client_of(alice).get(f"/generations/{generation.id}/clip.mp4").status_code == 404
    retention.sweep_clips()
    assert not default_storage.exists(files.key(generation, files.CLIP))


def test_the_api_deletes_as_openai_does_and_forgets_it(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation, client = finished(alice), client_of(alice)
    address = f"/v1/videos/{generation.id}"
    assert client.delete(address).json() == {"id": str(generation.id), "object": "video.deleted", "deleted": True}
    assert client.get(address).status_code == client.delete(address).status_code == 404
    assert client.get("/v1/videos").json()["data"] == []


def test_what_is_being_made_is_cancelled_before_it_is_deleted(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation, client = factories.submitted(alice.workspace), client_of(alice)
    assert client.delete(f"/v1/videos/{generation.id}").json()["code"] == "not_ended"
    client.post(f"/v1/videos/{generation.id}/cancel")
    assert client.delete(f"/v1/videos/{generation.id}").status_code == 200


def test_what_a_worker_delivers_after_the_deletion_is_deleted_too(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    generation, client = factories.submitted(alice.workspace), client_of(alice)
    client.post(f"/v1/videos/{generation.id}/cancel")
    client.delete(f"/v1/videos/{generation.id}")
    factories.deliver_clip(generation)
    assert not settle.settle(factories.report(generation))
    assert not default_storage.exists(files.key(generation, files.CLIP))


def test_a_clip_of_another_is_not_there_to_be_deleted(
    toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    generation = finished(alice)
    assert client_of(bob).delete(f"/v1/videos/{generation.id}").status_code == 404
    assert client_of(bob).post(f"/generations/{generation.id}/delete/").status_code == 404
    assert default_storage.exists(files.key(generation, files.CLIP))


def leave_traces(generation: Generation, valkey: redis.Redis) -> None:
    """What two attempts leave in Valkey: jobs, a result, reports and a stream."""
    for attempt in (1, 2):
        Generation.objects.filter(id=generation.id).update(attempt=attempt, prompt="my own words")
        generation.refresh_from_db()
        dispatch.enqueue(generation)
        reports = Reports(valkey, "gpu-test")
        reports.started(generation.render_job(inputs={}, outputs={}))
        reports.lost(generation.job_id, "it fell silent")
        reports.finished(factories.report(generation))
        job = queues.job(generation.job_id)
        Result.create(job, Result.Type.SUCCESSFUL, ttl=3_600, return_value={"message": "my own words"})
    valkey.xadd(progress_key(str(generation.id)), {"event": "preview", "data": "a picture"})
    valkey.set(cancel_key(str(generation.id)), 1)


def keys_of(generation: Generation, valkey: redis.Redis) -> list[bytes]:
    return [key for key in valkey.scan_iter(count=1_000) if str(generation.id).encode() in key]


@pytest.mark.parametrize("way", ["clip", "workspace"])
def test_what_is_deleted_leaves_valkey_too(
    toy: Model,
    alice: Visitor,
    valkey: redis.Redis,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    way: str,
) -> None:
    generation = finished(alice)
    leave_traces(generation, valkey)
    assert len(keys_of(generation, valkey)) >= 2 * 5 + 2
    with django_capture_on_commit_callbacks(execute=True):
        if way == "clip":
            deletion.delete(generation)
        else:
            workspace_data.erase(alice.workspace)
    assert keys_of(generation, valkey) == []


@pytest.mark.parametrize("way", ["clip", "workspace"])
@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.CANCELLED])
def test_what_a_worker_leaves_after_the_deletion_leaves_valkey_with_its_report(
    toy: Model,
    alice: Visitor,
    valkey: redis.Redis,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    way: str,
    outcome: Outcome,
) -> None:
    """One that was given up for lost goes on, and does not hear that there is nothing to be made any more."""
    generation = finished(alice)
    Generation.objects.filter(id=generation.id).update(attempt=2)
    late = factories.report(generation, outcome)
    with django_capture_on_commit_callbacks(execute=True):
        if way == "clip":
            deletion.delete(generation)
        else:
            workspace_data.erase(alice.workspace)
    valkey.xadd(progress_key(str(generation.id)), {"event": "preview", "data": "a picture"})
    for attempt in (1, 2):
        valkey.hset(f"rq:job:{job_id(str(generation.id), attempt)}", "data", "my own words")
    assert keys_of(generation, valkey)
    assert not settle.settle(late)
    assert keys_of(generation, valkey) == []


@pytest.mark.parametrize("seconds", [59, 61])
def test_what_rq_writes_after_the_report_leaves_valkey_within_a_minute(
    toy: Model,
    alice: Visitor,
    valkey: redis.Redis,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    seconds: int,
) -> None:
    generation = finished(alice)
    late = factories.report(generation)
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(generation)
    settle.settle(late)
    dispatch.enqueue(generation)  # as its worker's RQ saves the job that has ended
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=False):
        housekeeping.beat()
    assert bool(keys_of(generation, valkey)) is (seconds < 60)
    assert valkey.exists(traces.AGAIN_KEY) == (seconds < 60)


def test_jobs_with_peoples_words_are_kept_for_hours(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    generation = factories.submitted(alice.workspace)
    dispatch.enqueue(generation)
    job = queues.job(generation.job_id)
    assert job.result_ttl == job.failure_ttl == dispatch.RESULT_TTL_SECONDS <= 24 * 3_600
