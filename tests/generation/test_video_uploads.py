"""Videos and sounds that people send: looked at, kept as they came, opened by the GPU host's reader alone."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation.models import Generation, State, Upload
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.submission import file_kinds, pictures, uploads
from gpu_worker.contract import Outcome, RenderError
from gpu_worker.families import Kind
from loremotion.refusals import Invalid
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.generation.test_uploads import picture_file
from tests.media_files import write_sound, write_video


def video_file(tmp_path: Path, name: str = "a.mp4", **changes: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("mine.mp4", write_video(tmp_path / name, **changes).read_bytes())


@pytest.fixture
def vace(db: None) -> Model:
    """A model that follows, changes and goes on from videos."""
    return factories.model(
        "vace",
        family="wan_vace",
        modes=["text", "reference", "control", "inpaint", "extend"],
        sizes=["64x48"],
        fps=16,
        presets={"standard": {"steps": 4}},
    )


@pytest.mark.parametrize(
    ("roles", "mode"),
    [
        (["video"], "extend"),
        (["control_video"], "control"),
        (["video", "mask"], "inpaint"),
        (["control_video", "reference_image"], "control"),
    ],
)
@pytest.mark.parametrize("way", ["page", "api"])
def test_what_was_sent_decides_the_mode(
    vace: Model, alice: Visitor, client_of: ClientOf, tmp_path: Path, roles: list[str], mode: str, way: str
) -> None:
    files = {role: video_file(tmp_path) if "video" in role else picture_file() for role in roles}
    answer = client_of(alice).post("/generations/" if way == "page" else "/v1/videos", {"prompt": "a dance", **files})
    assert answer.status_code in (302, 200), answer.text
    generation = Generation.objects.get()
    assert generation.mode == mode
    assert set(generation.inputs) == set(roles)
    assert all(default_storage.exists(key) for key in generation.inputs.values())


def test_a_video_is_kept_under_a_key_that_nothing_serves(
    vace: Model, alice: Visitor, client_of: ClientOf, tmp_path: Path
) -> None:
    sent = video_file(tmp_path)
    client_of(alice).post("/v1/videos", {"prompt": "a dance", "video": sent})
    (upload,) = Upload.objects.all()
    assert upload.key.endswith("/video.sent")
    assert default_storage.open(upload.key).read() == sent.open().read()
    for address in (f"/media/{upload.key}", f"/{upload.key}", f"/static/{upload.key}"):
        assert client_of(alice).get(address).status_code == 404


def test_a_mask_may_move(vace: Model, alice: Visitor, client_of: ClientOf, tmp_path: Path) -> None:
    files = {"video": video_file(tmp_path), "mask": video_file(tmp_path, "mask.webm", codec="libvpx")}
    assert client_of(alice).post("/v1/videos", {"prompt": "a dance", **files}).status_code == 200
    assert Generation.objects.get().inputs["mask"].endswith(".sent")


def test_the_form_asks_for_everything_that_the_model_may_start_from(vace: Model, client: Client) -> None:
    page = client.get("/").text
    for role in ("video", "control_video", "mask", "reference_image", "reference_image_3"):
        assert f'type="file" name="{role}"' in page
    assert 'accept="video/mp4,video/quicktime,video/webm"' in page
    assert 'name="last_image"' not in page


def test_the_price_on_the_page_knows_what_was_chosen(vace: Model, client: Client) -> None:
    assert client.get("/generations/price/", {"control_video": "given"}).status_code == 200
    assert "doesn't use 'audio'" in client.get("/generations/price/", {"audio": "given"}).json()["error"]


@pytest.mark.parametrize(
    "content",
    [b"", b"MZ" + b"\x00" * 100, b"#!/bin/sh\n", b"#EXTM3U\nfile:///etc/passwd", b"<svg/>", picture_file("PNG").read()],
)
def test_what_is_no_video_is_refused_at_once(vace: Model, alice: Visitor, client_of: ClientOf, content: bytes) -> None:
    answer = client_of(alice).post("/v1/videos", {"prompt": "x", "video": SimpleUploadedFile("x.mp4", content)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "video")
    assert "MP4, MOV or WebM" in answer.json()["detail"]
    assert not Upload.objects.exists()


@pytest.mark.parametrize("role", ["video", "image", "audio"])
def test_too_many_bytes_are_refused_unread(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", dict.fromkeys(Kind, 10))
    with pytest.raises(Invalid, match="Use one of at most"):
        uploads.receive({role: SimpleUploadedFile("x", b"\x00\x00\x00\x18ftypisom" + b"\x00" * 100)})


def test_what_the_reader_refuses_fails_with_the_cause_and_costs_nothing(
    vace: Model, alice: Visitor, client_of: ClientOf, tmp_path: Path
) -> None:
    client_of(alice).post("/v1/videos", {"prompt": "a dance", "video": video_file(tmp_path)})
    generation = Generation.objects.get()
    dispatch.fill_window()
    cause = "The input 'video' is 86,400 seconds long, and 60 are the most."
    error = RenderError(code="input_unreadable", message=cause)
    settle.settle(factories.report(generation, Outcome.FAILED, error=error))
    generation.refresh_from_db()
    assert (generation.state, generation.error_message) == (State.FAILED, cause)
    receipt = ledger.receipt(reference=generation.id)
    assert (receipt.captured, receipt.released) == (0, generation.credits_quoted)
    assert cause.replace("'", "&#x27;") in client_of(alice).get(f"/generations/{generation.id}/").text


# --- the cheap things first --------------------------------------------------------------------------------------


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: Any) -> None:
        raise AssertionError("a picture was decoded for a request that is refused")

    monkeypatch.setattr(pictures, "_decoded", decode)


@pytest.fixture
def starter(db: None) -> Model:
    return factories.model(modes=["text", "image"])


def test_nothing_is_decoded_for_whoever_cannot_pay(
    starter: Model, no_decoding: None, client: Client, client_of: ClientOf, settings: Any
) -> None:
    settings.FREE_DAILY_CREDITS = 1
    poor = factories.visitor()
    for browser in (client_of(poor), client):
        answer = browser.post("/v1/videos", {"prompt": "x", "image": picture_file()})
        assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")


def test_nothing_is_decoded_for_a_flood(starter: Model, alice: Visitor, no_decoding: None, client_of: ClientOf) -> None:
    while True:
        answer = client_of(alice).post("/v1/videos", {"prompt": "x"})
        if answer.status_code == 429:
            break
    answer = client_of(alice).post("/v1/videos", {"prompt": "x", "image": picture_file()})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_open")


def test_nothing_is_decoded_for_what_the_model_cannot_make(
    starter: Model, alice: Visitor, no_decoding: None, client_of: ClientOf
) -> None:
    body = {"prompt": "x", "seconds": "99", "image": picture_file()}
    assert client_of(alice).post("/v1/videos", body).status_code == 422


# --- sound -------------------------------------------------------------------------------------------------------


def test_a_sound_is_sent_priced_and_kept(db: None, alice: Visitor, client_of: ClientOf, tmp_path: Path) -> None:
    factories.model(
        "sung",
        family="ltx2_sound",
        modes=["sound"],
        fps=24,
        presets={"standard": {"steps": 2, "sigmas": [1.0, 0.5]}},
        surcharges={"sound": 500},
    )
    browser = client_of(alice)
    assert 'type="file" name="audio" accept="audio/*"' in browser.get("/").text
    sound = SimpleUploadedFile("song.mp3", write_sound(tmp_path / "song.mp3").read_bytes())
    answer = browser.post("/v1/videos", {"prompt": "a singer", "audio": sound, "image": picture_file()})
    assert answer.status_code == 200, answer.text
    generation = Generation.objects.get()
    assert (generation.mode, set(generation.inputs)) == ("sound", {"audio", "image"})
    assert [line["label"] for line in generation.quote["lines"]][1:] == ["2.04 s, sound to video"]
    assert default_storage.exists(generation.inputs["audio"])


def test_a_clip_of_ones_own_may_give_its_sound(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    sung = {"family": "ltx2_sound", "modes": ["sound"], "fps": 24, "presets": {"standard": {"steps": 8}}}
    factories.model("sung", is_default=False, **sung)
    first = finished(alice)
    answer = client_of(alice).post("/v1/videos", {"prompt": "again", "model": "sung", "audio": str(first.id)})
    assert answer.status_code == 200, answer.text
    assert Generation.objects.get(id=answer.json()["id"]).inputs == {"audio": first.clip.key}


def test_an_extension_of_a_sent_video_is_as_long_as_both_from_the_beginning(
    vace: Model, alice: Visitor, client_of: ClientOf, tmp_path: Path
) -> None:
    sent = video_file(tmp_path, frames=16)
    answer = client_of(alice).post("/v1/videos", {"prompt": "a dance", "video": sent})
    generation = Generation.objects.get()
    assert generation.continued_seconds == pytest.approx(2, abs=0.1)
    assert float(answer.json()["seconds"]) > generation.seconds


def test_a_length_that_is_no_number_is_none(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "a.webm", codec="libvpx", frames=8).read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    assert file_kinds.seconds_of(io.BytesIO(content)) == pytest.approx(1, abs=0.1)
    content[at : at + 8] = struct.pack(">d", float("nan"))
    assert file_kinds.seconds_of(io.BytesIO(content)) is None
