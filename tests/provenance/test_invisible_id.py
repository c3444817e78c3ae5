"""A copy of a labelled clip is known by what its pictures carry, and leads to that clip alone."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

import av
import c2pa
import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import Visitor
from generation.models import Clip, Generation
from generation.provenance import inspection, invisible_ids, picture_hashes
from generation.settlement import settle, verification
from generation.sharing.models import Share
from gpu_worker import sandbox
from gpu_worker.contract import RenderReport
from gpu_worker.engine.video.clip import write_clip
from gpu_worker.engine.video.provenance import label_of
from gpu_worker.media.invisible_id import id_of, reading
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.provenance.conftest import Delivered, settle_signed
from tests.provenance.test_api import verified
from tests.provenance.test_picture import FPS, Frames, encoded, landscape
from tests.provenance.test_signing import content

pytestmark = pytest.mark.django_db

KEY: Final = "a site's key, long enough that nobody guesses it"
NO_NUMBERS: Final = np.full(512 * 600, np.nan, np.float32).tobytes()


@pytest.fixture(autouse=True)
def keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.INVISIBLE_ID_KEYS = [KEY]
    monkeypatch.setattr(invisible_ids, "WALL_SECONDS", 3600.0)


@pytest.fixture(scope="module")
def frames() -> Frames:
    """A landscape that moves past, in the size of a real clip."""
    return landscape(1).repeat(2, axis=1).repeat(2, axis=2)


@pytest.fixture
def mine() -> Generation:
    factories.model()
    return factories.submitted(factories.visitor(credits=100).workspace, prompt="a very private wish")


def rendered(generation: Generation, frames: Frames, folder: Path) -> Frames:
    """What people see of the clip that a worker writes for this request."""
    path = folder / "clip.mp4"
    write_clip(path, frames, FPS, label=label_of(generation.render_job(inputs={}, outputs={})))
    return decoded(path.read_bytes())


def decoded(clip: bytes) -> Frames:

    with av.open(BytesIO(clip)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def with_id(report: RenderReport, invisible_id: int | None) -> RenderReport:
    assert report.clip is not None
    return replace(report, clip=replace(report.clip, invisible_id=invisible_id))


def reader_of(content: bytes, announced: dict[str, Any] = {"width": 600, "height": 512}) -> Any:  # noqa: B006
    """What stands for the confined program, and says this."""

    @contextmanager
    def reader(program: Path, file: IO[bytes], said: dict[str, Any], **limits: Any) -> Iterator[Any]:
        assert KEY not in str(said)
        yield announced, BytesIO(content)

    return reader


def test_a_copy_that_was_encoded_anew_is_known_by_its_pictures(
    mine: Generation, frames: Frames, delivered: Delivered, tmp_path: Path, client: Client, alice: Visitor,
    client_of: ClientOf,
) -> None:  # fmt: skip
    shown = rendered(mine, frames, tmp_path)
    assert settle.settle(with_id(delivered(mine, encoded(shown)), id_of(str(mine.id))))
    assert Clip.objects.get().invisible_id == id_of(str(mine.id))

    copy = encoded(shown, crf=28)

    found = inspection.inspect(BytesIO(copy)).origin
    assert found is not None
    assert (found.known_by, found.model) == ("invisible_id", "Toy")
    page = client.post("/verify/", {"file": SimpleUploadedFile("a.mp4", copy)}).content.decode()
    assert "a copy or a part of that clip" in page
    assert "private wish" not in page
    assert verified(client_of(alice), copy)["record"]["known_by"] == "invisible_id"


def test_a_copy_of_a_shared_clip_gets_the_credentials_back_that_it_has_lost(
    signing_site: Settings, mine: Generation, delivered: Delivered, film: bytes, monkeypatch: pytest.MonkeyPatch,
    client: Client, alice: Visitor, client_of: ClientOf,
) -> None:  # fmt: skip
    assert settle_signed(with_id(delivered(mine), id_of(str(mine.id))))
    monkeypatch.setattr(invisible_ids, "read", lambda _: id_of(str(mine.id)))
    copy = encoded(landscape(1))
    assert verified(client_of(alice), copy)["lost_credentials"] is None
    Share.objects.create(clip=Clip.objects.get())

    lost = b64decode(verified(client_of(alice), copy)["lost_credentials"])

    with c2pa.Reader("video/mp4", BytesIO(content(Clip.objects.get().key)), manifest_data=lost) as reader:
        assert "trainedAlgorithmicMedia" in reader.json()
    page = client.post("/verify/", {"file": SimpleUploadedFile("a.mp4", copy)}).content.decode()
    assert b64encode(lost).decode() in page
    default_storage.delete(Clip.objects.get().manifest_key)
    assert verified(client_of(alice), copy)["lost_credentials"] is None


def test_no_key_no_label(mine: Generation, frames: Frames, tmp_path: Path, settings: Settings) -> None:
    settings.INVISIBLE_ID_KEYS = []
    assert label_of(mine.render_job(inputs={}, outputs={})) is None
    with BytesIO(encoded(rendered(mine, frames[:4], tmp_path))) as file:
        assert invisible_ids.read(file) is None


def test_an_older_key_still_reads(mine: Generation, frames: Frames, tmp_path: Path, settings: Settings) -> None:
    with (tmp_path / "copy.mp4").open("w+b") as file:
        file.write(encoded(rendered(mine, frames, tmp_path)))
        settings.INVISIBLE_ID_KEYS = ["the next key", KEY]
        assert invisible_ids.read(file) == id_of(str(mine.id))
        settings.INVISIBLE_ID_KEYS = ["the next key"]
        assert invisible_ids.read(file) is None


def test_where_no_time_is_left_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "reading", reader_of(np.zeros((512, 600), np.float32).tobytes()))
    monkeypatch.setattr(reading, "_spectrum", lambda _: pytest.fail("it was read"))
    monkeypatch.setattr(invisible_ids, "WALL_SECONDS", 0.0)
    assert invisible_ids.read(BytesIO()) is None


def test_an_id_of_two_clips_names_neither(mine: Generation, delivered: Delivered) -> None:
    other = factories.submitted(factories.visitor(credits=100).workspace)
    for generation in (mine, other):
        assert settle.settle(delivered(generation, encoded(landscape(1))))
    Clip.objects.filter(generation=mine).update(invisible_id=7)
    assert invisible_ids.clip_of(7) == Clip.objects.get(generation=mine)
    assert invisible_ids.clip_of(8) is None
    Clip.objects.update(invisible_id=7)
    assert invisible_ids.clip_of(7) is None


def test_a_host_cannot_say_that_a_clip_carries_another_s_id(mine: Generation, delivered: Delivered) -> None:
    report = with_id(delivered(mine, encoded(landscape(1))), id_of("another"))
    with pytest.raises(verification.NotBelieved, match="another clip"):
        verification.read_report(report.to_wire())


@pytest.mark.parametrize("stored", [b"", b"not a film", b"\x00\x00\x00\x18ftypisom" + b"\xff" * 200])
def test_a_file_that_cannot_be_decoded_carries_none(stored: bytes) -> None:
    with TemporaryFile() as file:
        file.write(stored)
        assert invisible_ids.read(file) is None


@pytest.mark.parametrize(
    "announced", [{}, {"width": 10**6, "height": 512}, {"width": 600, "height": 511}, {"width": True, "height": "512"}]
)
@pytest.mark.parametrize("content", [b"", NO_NUMBERS], ids=["nothing", "no numbers"])
def test_a_program_that_was_taken_over_says_nothing(
    monkeypatch: pytest.MonkeyPatch, announced: dict[str, Any], content: bytes
) -> None:
    monkeypatch.setattr(sandbox, "reading", reader_of(content, announced or {"width": 600, "height": 512}))
    assert invisible_ids.read(BytesIO()) is None


def test_a_host_without_a_decoder_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_hashes, "is_offered", lambda: False)
    assert invisible_ids.read(BytesIO(encoded(landscape(1)[:2]))) is None
