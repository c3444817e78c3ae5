"""What a clip starts from: checked, re-encoded, the caller's own."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.submission import uploads
from loremotion.refusals import Invalid
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.heif_files import heif_of, hevc_of


def picture_file(kind: str = "JPEG", size: tuple[int, int] = (320, 200), **saving: Any) -> SimpleUploadedFile:
    content = io.BytesIO()
    Image.new("RGB", size, "red").save(content, kind, **saving)
    return SimpleUploadedFile("mine", content.getvalue())


@pytest.fixture
def starter(db: None) -> Model:
    """A model that makes clips from text, from a picture and from a clip."""
    return factories.model(modes=["text", "image", "extend"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_become_upright_png_without_their_past(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned
    exif[0x013B] = "somebody's name"
    given = uploads._usable("image", picture_file(kind, exif=exif.tobytes()))
    content = given.read()
    with Image.open(io.BytesIO(content)) as png:
        assert (png.format, png.size, dict(png.getexif())) == ("PNG", (200, 320), {})
    assert b"somebody" not in content


def test_a_long_picture_is_made_smaller() -> None:
    given = uploads._usable("image", picture_file(size=(4096, 1024)))
    with Image.open(given) as png:
        assert png.size == (2048, 512)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50]
)
def test_what_is_no_picture_is_refused_by_its_role(content: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        uploads.prepare(uploads.receive({"last_image": SimpleUploadedFile("x.png", content)}))
    assert refusal.value.field == "last_image"


def heic_file(*, width_said: int = 96, cut_bytes: int = 0) -> SimpleUploadedFile:
    content = heif_of([hevc_of(Image.new("RGB", (96, 64), "red"))])
    content = content.replace(struct.pack(">II", 96, 64), struct.pack(">II", width_said, 64))
    return SimpleUploadedFile("IMG_0001.HEIC", content[: len(content) - cut_bytes])


def test_a_heic_is_kept_as_it_came_for_the_host_that_decodes_it(
    starter: Model, alice: Visitor, client_of: ClientOf
) -> None:
    sent = heic_file()
    assert client_of(alice).post("/v1/videos", {"prompt": "it comes alive", "image": sent}).status_code == 200
    generation = Generation.objects.get()
    assert generation.mode == "image"
    assert generation.inputs["image"].endswith("/image.sent")
    with default_storage.open(generation.inputs["image"]) as kept, sent.open() as file:
        assert kept.read() == file.read()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (lambda: heic_file(cut_bytes=9), "The HEIC is damaged or cut off"),
        (lambda: heic_file(width_said=8), "The HEIC is 8\u00a0×\u00a064 pixels"),
        (lambda: picture_file("GIF"), "We can't use this GIF file here"),
        (lambda: SimpleUploadedFile("x.png", b""), "The file is empty"),
        (lambda: picture_file("TIFF"), "We can't use this TIFF file here"),
        (lambda: picture_file("PNG", (1, 1)), "The PNG is 1\u00a0×\u00a01 pixels"),
        (lambda: SimpleUploadedFile("x.png", picture_file("PNG", (99, 99)).read()[:60]), "The PNG is damaged"),
        (lambda: SimpleUploadedFile("x.pdf", b"%PDF-1.7"), "We can't use this PDF file here"),
    ],
)
def test_a_refusal_names_the_format_and_costs_nothing(
    starter: Model, alice: Visitor, client_of: ClientOf, file: Callable[[], SimpleUploadedFile], words: str
) -> None:
    answer = client_of(alice).post("/v1/videos", {"prompt": "it comes alive", "image": file()})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "image")
    assert words in answer.json()["detail"]
    assert not Generation.objects.exists()


def test_a_truncated_picture_is_refused() -> None:
    whole = picture_file("PNG", (500, 500)).read()
    with pytest.raises(Invalid):
        uploads._usable("image", SimpleUploadedFile("x.png", whole[: len(whole) // 2]))


def test_too_many_pixels_are_refused_unread() -> None:
    with pytest.raises(Invalid, match="4100\u00a0×\u00a04100"):
        uploads._usable("image", picture_file("PNG", (4100, 4100)))


def test_a_form_with_a_picture_makes_a_clip_from_it(starter: Model, alice: Visitor, client_of: ClientOf) -> None:
    form = {"prompt": "it comes alive", "image": picture_file()}
    assert client_of(alice).post("/generations/", form).status_code == 302
    generation = Generation.objects.get()
    assert generation.mode == "image"
    assert default_storage.exists(generation.inputs["image"])


def test_the_api_knows_openais_word_for_it(starter: Model, alice: Visitor, client_of: ClientOf) -> None:
    body = {"prompt": "it comes alive", "input_reference": picture_file("PNG")}
    answer = client_of(alice).post("/v1/videos", body)
    assert answer.status_code == 200, answer.json()
    assert answer.json()["lm"]["mode"] == "image"


@pytest.mark.parametrize("shape", [{"video": {"id": "{id}"}}, {"video": "{id}"}])
def test_a_clip_can_be_continued(starter: Model, alice: Visitor, client_of: ClientOf, shape: dict[str, Any]) -> None:
    first = finished(alice)
    body = json.loads(json.dumps({"prompt": "and on", **shape}).replace("{id}", str(first.id)))
    answer = client_of(alice).post("/v1/videos", body, content_type="application/json")
    assert answer.status_code == 200, answer.json()
    assert Generation.objects.get(id=answer.json()["id"]).inputs == {"video": first.clip.key}
    multipart = client_of(alice).post("/v1/videos", {"prompt": "and on", "video[id]": str(first.id)})
    assert multipart.json()["lm"]["mode"] == "extend"


def test_a_finished_clip_offers_to_be_continued(starter: Model, alice: Visitor, client_of: ClientOf) -> None:
    first = finished(alice)
    browser = client_of(alice)
    assert f"/?video={first.id}" in browser.get(f"/generations/{first.id}/").text
    assert f'name="video" value="{first.id}"' in browser.get(f"/?video={first.id}").text
    assert browser.post("/generations/", {"prompt": "and on", "video": str(first.id)}).status_code == 302


@pytest.mark.parametrize("nonsense", ["x", "00000000-0000-4000-8000-000000000000", "<script>"])
def test_a_nonsense_clip_is_not_continued(starter: Model, alice: Visitor, client_of: ClientOf, nonsense: str) -> None:
    browser = client_of(alice)
    assert 'type="hidden" name="video"' not in browser.get("/", {"video": nonsense}).text
    assert browser.post("/generations/", {"prompt": "and on", "video": nonsense}).status_code == 422


def test_another_ones_clip_cannot_be_continued(
    starter: Model, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    theirs = finished(alice)
    answer = client_of(bob).post(
        "/v1/videos", {"prompt": "and on", "video": {"id": str(theirs.id)}}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "video")


def test_a_refused_request_leaves_no_file(starter: Model, alice: Visitor, client_of: ClientOf, settings: Any) -> None:
    poor = factories.visitor()
    settings.FREE_DAILY_CREDITS = 1
    inputs = Path(settings.MEDIA_DIR, "inputs")
    before = set(inputs.rglob("*.png"))
    answer = client_of(poor).post("/generations/", {"prompt": "it comes alive", "image": picture_file()})
    assert answer.status_code == 402
    assert set(inputs.rglob("*.png")) == before


def test_a_model_without_pictures_says_so(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    answer = client_of(alice).post("/generations/", {"prompt": "it comes alive", "image": picture_file()})
    assert answer.status_code == 422
    assert "t use &#x27;image" in answer.text
