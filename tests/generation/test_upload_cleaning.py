"""What was sent goes: with its clip, at once where there is none, and whatever crashes in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from accounts.caller import Caller
from accounts.models import Visitor
from accounts.roles import VISITOR_MAY
from billing.plans import entitlements
from catalog.models import Model
from generation import workspace_data
from generation.models import Generation, State, Upload
from generation.scheduling import dispatch
from generation.settlement import housekeeping, retries, settle
from generation.storage import retention
from generation.submission import uploads
from gpu_worker.contract import Outcome
from gpu_worker.families import Kind
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_uploads import picture_file


@pytest.fixture
def starter(db: None) -> Model:
    return factories.model(modes=["text", "image"])


@pytest.fixture
def begun(starter: Model, alice: Visitor, client_of: ClientOf) -> Generation:
    """A request with a picture, on its way."""
    client_of(alice).post("/v1/videos", {"prompt": "it comes alive", "image": picture_file()})
    dispatch.fill_window()
    return Generation.objects.get()


def in_a_while(**passed: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(**passed), tick=False)


def is_kept(generation: Generation) -> bool:
    return default_storage.exists(generation.inputs["image"])


def test_it_stays_while_the_request_is_open(begun: Generation) -> None:
    with in_a_while(days=300):
        retention.sweep_uploads()
    assert is_kept(begun)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.BLOCKED, Outcome.CANCELLED])
def test_it_goes_when_the_request_makes_no_clip(begun: Generation, outcome: Outcome) -> None:
    settle.start(generation_id=begun.id, attempt=1, worker="gpu-test")
    if outcome == Outcome.CANCELLED:
        settle.cancel(begun)
    settle.settle(factories.report(begun, outcome))
    with in_a_while(seconds=1):
        retention.sweep_uploads()
    assert not is_kept(begun)
    assert not Upload.objects.exists()


def test_it_goes_when_the_request_is_cancelled_before_it_began(begun: Generation) -> None:
    settle.cancel(begun)
    with in_a_while(seconds=1):
        retention.sweep_uploads()
    assert not is_kept(begun)


def test_it_goes_when_the_last_attempt_was_lost(begun: Generation) -> None:
    for attempt in (1, 2, 3):
        assert is_kept(begun)
        retries.requeue(generation_id=begun.id, attempt=attempt, code="worker_lost", reason="Gone.")
        dispatch.fill_window()
    begun.refresh_from_db()
    assert begun.state == State.FAILED
    with in_a_while(seconds=1):
        retention.sweep_uploads()
    assert not is_kept(begun)


def test_it_goes_with_its_clip(begun: Generation) -> None:
    factories.deliver_clip(begun)
    settle.settle(factories.report(begun))
    days = entitlements(None).retention_days
    with in_a_while(days=days - 1):
        retention.sweep_clips()
        retention.sweep_uploads()
        assert is_kept(begun)
    with in_a_while(days=days + 1):
        retention.sweep_clips()
        assert not is_kept(begun)
        assert not Upload.objects.exists()


def test_it_goes_with_its_workspace(begun: Generation, alice: Visitor) -> None:
    with transaction.atomic():
        workspace_data.erase(alice.workspace)
    with in_a_while(seconds=1):  # this test's transaction never commits: as after a crash in between
        retention.sweep_uploads()
    assert not is_kept(begun)
    assert not Upload.objects.exists()


def test_a_crash_between_the_file_and_the_request_leaves_nothing_for_long(starter: Model) -> None:
    class PowerCut(BaseException):
        pass

    given = uploads.Input("image", "inputs/a-crash/image.png", ContentFile(b"x"), Kind.PICTURE)
    crash = uploads.store([given])
    crash.__enter__()  # and never left
    retention.sweep_uploads()
    assert default_storage.exists(given.key)  # somebody may be at it still
    with in_a_while(hours=2):
        housekeeping.beat()
    assert not default_storage.exists(given.key)
    assert not Upload.objects.exists()


def test_a_file_that_was_never_written_is_no_obstacle(db: None) -> None:
    Upload.objects.create(key="inputs/never/video.sent", expires_at=datetime.now(UTC) - timedelta(hours=1))
    retention.sweep_uploads()
    assert not Upload.objects.exists()


def test_a_file_that_cannot_be_deleted_keeps_no_other(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    for number in range(3):
        default_storage.save(f"inputs/poison-{number}/x", ContentFile(b"x"))
        Upload.objects.create(key=f"inputs/poison-{number}/x", expires_at=long_ago + timedelta(seconds=number))
    Path(default_storage.path("inputs/poison-0/x")).unlink()
    Path(default_storage.path("inputs/poison-0/x")).mkdir()
    Path(default_storage.path("inputs/poison-0/x/in-the-way")).touch()
    retention.sweep_uploads()
    assert [upload.key for upload in Upload.objects.all()] == ["inputs/poison-0/x"]
    assert "could not be served" in caplog.text


def test_what_was_sent_is_in_the_export(begun: Generation, alice: Visitor) -> None:
    paths = [file.path for file in workspace_data.export(alice.workspace, reader=Caller(alice.workspace, VISITOR_MAY))]
    assert f"sent/{begun.id}/image.png" in paths
