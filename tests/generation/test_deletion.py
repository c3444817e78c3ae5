"""One clip is deleted: files and words go, the receipt stays."""

from __future__ import annotations

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.settlement import settle
from generation.storage import files, retention
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
    assert "The clip is deleted." in answer.content.decode()

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
