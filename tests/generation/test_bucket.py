"""With a bucket as the store, clips go from the GPU host into it and from it to the browser, past the site."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Visitor
from catalog.models import Model
from generation import recipes
from generation.models import Clip, Generation, State, signed_key
from generation.scheduling import dispatch
from generation.settlement import deletion, settle
from generation.storage import files
from generation.storage.s3 import S3Store, StoreUnavailable
from gpu_worker import addresses
from gpu_worker.inputs import Fetcher
from gpu_worker.media_input import Wanted
from gpu_worker.upload import Uploader, UploadFailed
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

BYTES = factories.CLIP_BYTES


@pytest.fixture
def dispatched(bucket: S3Store, toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    return generation


@pytest.fixture
def network(settings: Settings) -> Iterator[httpx.Client]:
    """A GPU host's: the site answers in this process, the bucket in its own."""
    with addresses.client() as client:
        client._mounts = {httpx._utils.URLPattern(settings.SITE_URL): httpx.MockTransport(_site)}
        yield client


def _site(request: httpx.Request) -> httpx.Response:
    path = request.url.raw_path.decode()
    answer = Client().generic(request.method, path, request.read(), request.headers.get("Content-Type", ""))
    return httpx.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)


def deliver(
    network: httpx.Client, generation: Generation, folder: Path, body: bytes = BYTES, address: str = ""
) -> None:
    """Do what a worker does with a finished clip."""
    made = folder / "made.mp4"
    made.write_bytes(body)
    to = address or files.outputs(generation)[files.CLIP]
    Uploader(network, 2, pause=lambda seconds: None).put(made, to, "video/mp4", lambda: None)


def announce(
    generation: Generation,
    body: bytes = BYTES,
    *,
    address: str = "",
    changes: Mapping[str, object] = MappingProxyType({}),
) -> tuple[int, bytes]:
    said = {"content_type": "video/mp4", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **changes}
    to = address or files.outputs(generation)[files.CLIP]
    answer = Client().post(to, json.dumps(said), content_type="application/json")
    return answer.status_code, answer.content


def picture() -> ContentFile[bytes]:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return ContentFile(file.getvalue())


def stored(bucket: S3Store, generation: Generation) -> list[str]:
    return sorted(bucket.listdir(f"clips/{generation.id}")[1])


def test_a_clip_goes_from_its_worker_into_the_bucket_and_is_charged(
    bucket: S3Store, dispatched: Generation, network: httpx.Client, tmp_path: Path
) -> None:
    deliver(network, dispatched, tmp_path)
    deliver(network, dispatched, tmp_path)  # for a host that did not hear the first answer
    assert stored(bucket, dispatched) == ["clip.mp4"]
    assert settle.settle(factories.report(dispatched))
    assert Clip.objects.get(generation=dispatched).size_bytes == len(BYTES)


def test_no_key_of_the_bucket_is_in_a_job_or_an_answer(dispatched: Generation) -> None:
    job = dispatched.render_job(inputs=files.inputs(dispatched), outputs=files.outputs(dispatched))
    status, answer = announce(dispatched)
    assert status == 200
    assert "testing" not in json.dumps(job.to_wire()) + answer.decode()
    assert all(address.startswith("http://127.0.0.1") for address in job.outputs.values())


def test_other_bytes_for_the_same_attempt_are_refused(
    bucket: S3Store, dispatched: Generation, network: httpx.Client, tmp_path: Path
) -> None:
    deliver(network, dispatched, tmp_path)
    with pytest.raises(UploadFailed, match="answered 409"):
        deliver(network, dispatched, tmp_path, b"<html>not a film")
    assert default_storage.open(files.key(dispatched, files.CLIP)).read() == BYTES


def test_an_attempt_that_is_over_puts_nothing_in_the_next_ones_place(
    bucket: S3Store, dispatched: Generation, network: httpx.Client, tmp_path: Path
) -> None:
    old = files.outputs(dispatched)[files.CLIP]
    _, answer = announce(dispatched, b"of the first")
    signed = json.loads(answer)
    factories.lose_worker(dispatched, 1)
    dispatch.fill_window()
    dispatched.refresh_from_db()
    deliver(network, dispatched, tmp_path)
    late = requests.put(signed["url"], data=b"of the first", headers=signed["headers"], timeout=60)
    assert late.status_code == 200  # a name of its own, which the sweep of leftovers takes
    with pytest.raises(UploadFailed, match="answered 404"):
        deliver(network, dispatched, tmp_path, b"of the first", address=old)
    assert default_storage.open(files.key(dispatched, files.CLIP)).read() == BYTES


def put(generation: Generation, body: bytes = BYTES) -> None:
    """Bring the file to the bucket, as a host does between its two announcements."""
    status, answer = announce(generation, body)
    signed = json.loads(answer)
    assert status == 200
    assert requests.put(signed["url"], data=body, headers=signed["headers"], timeout=60).ok


def test_no_row_is_locked_while_the_bucket_copies(
    bucket: S3Store, dispatched: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, seen = len(connection.savepoint_ids), []

    def rename(*names: str, **digest: str) -> None:
        seen.append(len(connection.savepoint_ids))
        S3Store.rename(bucket, *names, **digest)

    put(dispatched)
    monkeypatch.setattr(bucket, "rename", rename)
    assert announce(dispatched)[0] == 204
    assert seen == [outside]


def test_a_file_whose_copy_failed_is_copied_when_it_is_announced_again(
    bucket: S3Store, dispatched: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dispatched)
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "rename", lambda *_, **__: (_ for _ in ()).throw(StoreUnavailable("silent")))
        assert announce(dispatched)[0] == 503
    assert announce(dispatched)[0] == 204
    assert stored(bucket, dispatched) == ["clip.mp4"]


def test_a_host_that_announces_file_after_file_fills_no_bucket(bucket: S3Store, dispatched: Generation) -> None:
    for number in range(3):
        put(dispatched, b"file %d" % number)
    assert len(stored(bucket, dispatched)) == 1


def test_while_one_attempts_file_is_copied_no_other_gets_its_name(bucket: S3Store, dispatched: Generation) -> None:
    put(dispatched)
    for until, status in ((time.time() + 3600, 503), (time.time() - 1, 204)):
        dispatched.delivered = {"copying/clip": [dispatched.attempt - 1, until]}
        dispatched.save(update_fields=["delivered"])
        assert announce(dispatched)[0] == status
    dispatched.refresh_from_db()
    assert list(dispatched.delivered or {}) == [f"{dispatched.attempt}/clip"]


def test_a_clip_that_is_cancelled_while_its_file_is_copied_leaves_none(
    bucket: S3Store, dispatched: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*names: str, **digest: str) -> None:
        settle.cancel(dispatched)
        S3Store.rename(bucket, *names, **digest)

    put(dispatched)
    monkeypatch.setattr(bucket, "rename", rename)
    assert announce(dispatched)[0] == 404
    assert stored(bucket, dispatched) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"content_type": "text/html"}, 415),
        ({"size_bytes": 2**40}, 413),
        ({"size_bytes": 0}, 400),
        ({"size_bytes": "12"}, 400),
        ({"sha256": "../../x"}, 400),
    ],
)
def test_what_cannot_be_the_file_gets_no_address(
    dispatched: Generation, changes: dict[str, object], status: int
) -> None:
    assert announce(dispatched, changes=changes)[0] == status


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_an_attempt_that_is_not_open_gets_no_address(dispatched: Generation, state: State) -> None:
    address = files.outputs(dispatched)[files.CLIP]
    Generation.objects.filter(id=dispatched.id).update(state=state)
    assert announce(dispatched, address=address)[0] == 404


def test_the_site_takes_no_bytes_of_clips(bucket: S3Store, dispatched: Generation) -> None:
    address = files.outputs(dispatched)[files.CLIP]
    assert Client().put(address, BYTES, content_type="video/mp4").status_code == 403
    assert stored(bucket, dispatched) == []


def test_a_clip_that_is_not_there_as_reported_is_not_charged(
    bucket: S3Store, dispatched: Generation, network: httpx.Client, tmp_path: Path
) -> None:
    deliver(network, dispatched, tmp_path, b"\x00\x00\x00\x18ftyp of another clip")
    settle.settle(factories.report(dispatched))
    dispatched.refresh_from_db()
    assert dispatched.state == State.QUEUED
    assert not Clip.objects.exists()


def test_a_worker_fetches_inputs_from_the_bucket(
    bucket: S3Store, toy: Model, alice: Visitor, network: httpx.Client, tmp_path: Path
) -> None:
    generation = factories.submitted(alice.workspace)
    generation.inputs = {"image": default_storage.save("inputs/0/image.png", picture())}
    (address,) = files.inputs(generation).values()
    assert Client().get(address)["Location"].startswith(bucket.endpoint_url)
    wanted = Wanted(width=64, height=64, fps=8.0, first=8)
    given = Fetcher(network, 1, 10**6).fetch({"image": address}, tmp_path, lambda: None, wanted)
    assert list(given) == ["image"]


def test_browsers_are_sent_to_the_bucket_and_nobody_else_is(
    bucket: S3Store, toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    generation = finished(alice, prompt="a red fox")
    page = f"/generations/{generation.id}"
    paths = [f"{page}/clip.mp4", f"{page}/poster.jpg", f"/v1/videos/{generation.id}/content"]
    for path in paths:
        answer = client_of(alice).get(path)
        assert answer.status_code == 302
        assert answer["Cache-Control"] == "private, max-age=300"
        assert requests.get(answer["Location"], timeout=60).content == BYTES
        assert client_of(bob).get(path).status_code == 404
    head = client_of(alice).head(f"{page}/clip.mp4")
    assert requests.head(head["Location"], timeout=60).headers["Content-Length"] == str(len(BYTES))


def test_a_download_has_its_name_and_its_recipe_and_goes_with_the_clip(
    bucket: S3Store,
    toy: Model,
    alice: Visitor,
    client_of: ClientOf,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    generation = finished(alice, prompt="a red fox")
    for _ in range(2):
        sent = client_of(alice).get(f"/generations/{generation.id}/clip.mp4?download")
        file = requests.get(sent["Location"], timeout=60)
        assert file.headers["Content-Disposition"] == 'attachment; filename="a-red-fox.mp4"'
        assert file.content == BYTES + recipes.Recipe.of(generation).to_box()
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(generation)
    assert stored(bucket, generation) == []


def test_a_clip_that_is_signed_later_is_downloaded_signed(
    bucket: S3Store, toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    generation = finished(alice, prompt="a red fox")
    address = f"/generations/{generation.id}/clip.mp4?download"
    client_of(alice).get(address)
    signed = BYTES + b"signed"
    digest = hashlib.sha256(signed).hexdigest()
    default_storage.save(signed_key(generation.id, digest), ContentFile(signed))
    Clip.objects.update(signed_at=timezone.now(), size_bytes=len(signed), signed_sha256=digest)
    file = requests.get(client_of(alice).get(address)["Location"], timeout=60)
    assert file.content == signed + recipes.Recipe.of(generation).to_box()
