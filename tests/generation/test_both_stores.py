"""What becomes of files is the same in a folder and in a bucket."""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import timedelta
from zipfile import ZipFile

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpResponseBase
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Visitor
from catalog.models import Model
from generation import workspace_data
from generation.models import Clip, Generation, Upload
from generation.settlement import deletion, settle
from generation.storage import conversions, files, retention
from generation.storage.store import store
from generation.submission import uploads
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

BYTES = factories.CLIP_BYTES
pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def made(each_store: str, toy: Model, alice: Visitor) -> Generation:
    return finished(alice, prompt="a red fox")


def read(answer: HttpResponseBase) -> bytes:
    """The bytes of an answer, wherever it leads."""
    if answer.status_code == 302:
        return requests.get(answer["Location"], timeout=60).content
    assert answer.status_code == 200
    return b"".join(answer)


def test_a_clip_is_seen_until_its_time_is_over(made: Generation, alice: Visitor, client_of: ClientOf) -> None:
    address = f"/generations/{made.id}/clip.mp4"
    assert read(client_of(alice).get(address)) == BYTES
    long_ago = timezone.now() - timedelta(days=5_000)
    Clip.objects.update(created_at=long_ago, expires_at=long_ago)
    retention.sweep_clips()
    assert not default_storage.exists(files.key(made, files.CLIP))
    assert client_of(alice).get(address).status_code == 404


def test_a_deleted_clip_leaves_no_file_nor_what_was_sent_for_it(
    made: Generation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sent = default_storage.save(f"{files.INPUTS}{made.id}/image.png", ContentFile(b"picture"))
    made.inputs = {"image": sent}
    made.save(update_fields=["inputs"])
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(made)
    assert not any(map(default_storage.exists, (sent, *(files.key(made, role) for role in ("clip", "poster")))))


def test_an_erased_workspace_leaves_no_file(
    made: Generation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sent = default_storage.save(f"{files.INPUTS}{made.id}/image.png", ContentFile(b"picture"))
    Upload.objects.create(key=sent, generation=made)
    with django_capture_on_commit_callbacks(execute=True):
        workspace_data.erase(made.workspace)
    assert not any(map(default_storage.exists, (sent, files.key(made, files.CLIP))))


def test_a_zip_of_clips_holds_the_clip(made: Generation, alice: Visitor, client_of: ClientOf) -> None:
    zipped = client_of(alice).get("/history/clips.zip", {"clip": [str(made.id)]})
    with ZipFile(io.BytesIO(read(zipped))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [BYTES]


def test_a_clip_is_converted_once_and_what_was_made_goes_with_it(
    made: Generation,
    alice: Visitor,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    made_of: list[bytes] = []

    def convert(file: io.BytesIO, suffix: str) -> bytes:
        made_of.append(file.read())
        return suffix.encode()

    monkeypatch.setattr(conversions, "convert", convert)
    for _ in range(2):
        assert read(client_of(alice).get(f"/generations/{made.id}/clip.gif")) == b"gif"
    assert made_of == [BYTES]
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(made)
    assert not default_storage.exists(files.converted_key(made.id, "gif"))


def test_a_clip_that_is_not_as_reported_is_made_again(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    assert not files.has_clip(generation)
    assert not files.is_clip(generation, size_bytes=len(BYTES), sha256="0" * 64)
    factories.deliver_clip(generation)
    facts = factories.clip_facts(generation)
    assert files.is_clip(generation, size_bytes=facts.size_bytes, sha256=facts.sha256)
    assert not files.is_clip(generation, size_bytes=facts.size_bytes, sha256="0" * 64)


def test_what_comes_after_the_end_is_deleted(
    toy: Model, alice: Visitor, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    generation = factories.submitted(alice.workspace)
    settle.cancel(generation)
    generation.refresh_from_db()
    deletion.delete(generation)
    factories.deliver_clip(generation)
    assert not settle.settle(factories.report(generation))
    assert not default_storage.exists(files.key(generation, files.CLIP))


def test_files_of_a_request_that_is_refused_are_gone(db: None) -> None:
    given = uploads.Input("image", f"{files.INPUTS}0/image.png", ContentFile(b"picture"))
    with suppress(RuntimeError), uploads.store([given]):
        assert default_storage.exists(given.key)
        raise RuntimeError
    assert not default_storage.exists(given.key)
    assert not Upload.objects.exists()


def test_a_large_file_that_several_clips_start_from_is_stored_for_each(db: None) -> None:
    with TemporaryUploadedFile("a.mp4", "video/mp4", 5, None) as sent:
        sent.write(b"video")
        given = [uploads.Input("video", f"{files.INPUTS}{number}/video.sent", sent) for number in range(3)]
        with uploads.store(given):
            assert [default_storage.open(one.key).read() for one in given] == [b"video"] * 3


def test_files_whose_request_never_came_go_with_the_sweep(db: None) -> None:
    key = default_storage.save(f"{files.INPUTS}0/image.png", ContentFile(b"picture"))
    Upload.objects.create(key=key, expires_at=timezone.now() - timedelta(seconds=1))
    retention.sweep_uploads()
    assert not store().exists(key)
