"""What a picture may cost, however it was made."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import TemporaryUploadedFile
from PIL import Image

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.submission import picture_decoding, pictures
from loremotion.refusals import Unavailable
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_uploads import picture_file
from tests.heif_files import av1_of, heif_of

MEASURE = """
import resource, sys
from generation.submission import picture_decoding
from PIL import Image
for warm in ("PNG", "JPEG", "WEBP"):
    Image.init()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture_decoding.decode(open(sys.argv[1], "rb"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
MOST_MIB = 200
"""Of one picture: as it came, and one copy. It was 420."""


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGBA"),
        ("PNG", "RGB"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("PNG", "L"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("WEBP", "RGB"),
    ],
)
def test_the_largest_picture_takes_a_bounded_share_of_memory(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "bomb"
    side = int(picture_decoding.MAX_PIXELS**0.5)
    Image.new(mode, (side, side)).save(path, kind)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < MOST_MIB


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_larger_is_not_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = picture_file(kind)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    monkeypatch.setattr(picture_decoding, "MAX_PIXELS", 10_000)
    with pytest.raises(picture_decoding.WrongSize, match="320\u00a0×\u00a0200"):
        picture_decoding.decode(sent)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pictures_of_every_kind_keep_their_look(mode: str) -> None:
    drawn = io.BytesIO()
    Image.linear_gradient("L").resize((4096, 1024)).convert("RGB" if mode in ("P", "RGBA") else "L").convert(mode).save(
        drawn, "PNG"
    )
    with Image.open(pictures.to_png(ContentFile(drawn.getvalue()))) as png:
        assert (png.mode, png.size) == ("RGB", (2048, 512))
        top, bottom = png.getpixel((1000, 2)), png.getpixel((1000, 509))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] < bottom[0] or mode == "I;16"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_that_is_none_does_not_make_a_picture_damaged(kind: str) -> None:
    drawn = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(drawn, kind, exif=b"Exif\0\0junk")
    assert picture_decoding.decode(drawn).size == (64, 48)


def test_a_few_are_decoded_at_once_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(pictures, "_places", threading.BoundedSemaphore(1))
    with pictures._places, pytest.raises(Unavailable):
        pictures.to_png(picture_file())
    assert pictures.to_png(picture_file())


def test_the_header_of_a_heic_is_read_in_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = ContentFile(heif_of([av1_of(Image.new("RGB", (64, 64)))]))
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(pictures, "_places", threading.BoundedSemaphore(1))
    with pictures._places, pytest.raises(Unavailable):
        pictures.look_at(sent, "AVIF")
    pictures.look_at(sent, "AVIF")


def test_one_request_of_a_workspace_is_in_line_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)
    for _ in range(2):
        with pictures.in_line("mine"), pytest.raises(Unavailable), pictures.in_line("mine"):
            pytest.fail("two at once")


def test_nobody_waits_in_a_stranger_s_line_and_an_empty_line_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)
    with pictures.in_line("mine"):
        for stranger in range(200):
            with pictures.in_line(stranger):
                pass
        assert set(pictures._lines) == {"mine"}
    assert not pictures._lines


@pytest.mark.django_db
def test_who_has_no_place_left_is_refused_before_a_picture_is_decoded(
    db: None, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter: Model = factories.model(modes=["text", "image"])
    assert starter
    browser = client_of(alice)

    def other_request_was_quicker(of: object) -> object:
        while Generation.objects.of(alice.workspace).open().count() < 3:
            factories.submitted(alice.workspace)
        return in_line(of)

    in_line = pictures.in_line
    monkeypatch.setattr(pictures, "in_line", other_request_was_quicker)
    monkeypatch.setattr(pictures, "_decoded", lambda _: pytest.fail("it was decoded"))
    answer = browser.post("/generations/", {"prompt": "it comes alive", "image": picture_file()})
    assert answer.status_code == 429


@pytest.mark.django_db
@pytest.mark.parametrize("is_form", [True, False])
def test_the_same_that_was_quicker_in_line_is_what_it_is_answered_with(
    db: None, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, is_form: bool
) -> None:
    """Also where what both cost, or their places, are more than there is."""
    factories.model(modes=["text", "image"])
    for _ in range(2):
        factories.submitted(alice.workspace)  # one place is left
    in_line, sendings = pictures.in_line, iter([True, False])

    def send() -> Any:
        said: dict[str, Any] = {"prompt": "it comes alive"}
        said |= {"sending": "one", "image": picture_file()} if is_form else {"input_reference": picture_file()}
        address = "/generations/" if is_form else "/v1/videos"
        return client_of(alice).post(address, said, headers={"Idempotency-Key": "one"})

    def the_other_is_quicker(of: object) -> object:
        if next(sendings):
            assert send().status_code in (200, 302)
        return in_line(of)

    monkeypatch.setattr(pictures, "in_line", the_other_is_quicker)
    answer = send()
    assert answer.status_code in (200, 302), answer.content
    assert Generation.objects.of(alice.workspace).count() == 3


# --- who decodes them --------------------------------------------------------------------------------------------


def taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """From here on the decoder runs this code, once it is confined."""
    program = tmp_path / "picture_sandbox.py"
    program.write_text(
        f"import os, runpy, socket, sys\nrunpy.run_path({str(pictures.PROGRAM)!r})['confine']()\n{code}\n"
    )
    monkeypatch.setattr(pictures, "PROGRAM", program)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_no_picture_is_opened_in_the_process_that_serves(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = picture_file(kind)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert pictures.to_png(sent).read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("code", ["socket.socket()", "os.fork()", "os.execv('/bin/true', ['true'])", "os.kill(1, 0)"])
def test_a_decoder_that_is_taken_over_is_ended_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    taken_over(tmp_path, monkeypatch, code)
    with pytest.raises(pictures.Unreadable):
        pictures.to_png(picture_file())
    assert "tried what no decoder does" in caplog.text


@pytest.mark.parametrize(
    "code",
    [
        "open('/proc/self/environ')",
        "sys.stdout.write('[' * 4000)",
        'sys.stdout.write(\'{"width": 100000, "height": 100000}\\n\')',
        'sys.stdout.write(\'{"width": "2", "height": null}\\n\')',
        'sys.stdout.write(\'{"width": 20, "height": 20}\\nfew\')',
        "sys.stdout.write('x' * 10**7)",
    ],
    ids=["reads a file", "deep JSON", "says to be huge", "says no size", "sends little", "sends one long line"],
)
def test_of_a_decoder_that_is_taken_over_nothing_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    taken_over(tmp_path, monkeypatch, code)
    with pytest.raises(pictures.Unreadable):
        pictures.to_png(picture_file())


def test_a_decoder_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_over(tmp_path, monkeypatch, "while True: pass")
    monkeypatch.setattr(pictures, "WALL_SECONDS", 0.5)
    with pytest.raises(pictures.Unreadable):
        pictures.to_png(picture_file())


def test_a_large_file_is_read_from_where_it_lies_and_left_as_it_was() -> None:
    with TemporaryUploadedFile("mine", "image/png", 0, None) as sent:
        sent.write(picture_file("PNG").read())
        sent.seek(3)
        assert pictures.to_png(sent).size
        assert sent.tell() == 3


# --- what cameras make -------------------------------------------------------------------------------------------


def jpeg_of(width: int, height: int, **saving: Any) -> bytes:
    """A JPEG whose header says so, from a small one: 200 megapixels are not made in a test."""
    drawn = io.BytesIO()
    Image.new("RGB", (64, 64), (120, 60, 30)).save(drawn, "JPEG", subsampling=0, **saving)
    content = bytearray(drawn.getvalue())
    at = next(content.index(mark) for mark in (b"\xff\xc0", b"\xff\xc2") if mark in content) + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(
    ("size", "is_progressive"),
    [
        ((8064, 6048), False),
        ((16320, 12240), False),
        ((65500, 3100), False),
        ((4095, 4095), False),
        ((4096, 4096), True),
    ],
    ids=["48", "200", "panorama", "largest not drafted", "16 in several passes"],
)
def test_a_photo_of_a_large_sensor_is_drafted_in_little_memory(
    tmp_path: Path, size: tuple[int, int], is_progressive: bool
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_of(*size, progressive=is_progressive))
    code = MEASURE.replace(
        "from PIL import Image\n", "from PIL import Image, ImageFile\nImageFile.LOAD_TRUNCATED_IMAGES = True\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < MOST_MIB


def test_a_photo_of_48_megapixels_keeps_its_look() -> None:
    drawn = io.BytesIO()
    Image.linear_gradient("L").resize((8064, 6048)).save(drawn, "JPEG", quality=60)
    with Image.open(pictures.to_png(ContentFile(drawn.getvalue()))) as png:
        assert png.size == (2048, 1536)
        assert [png.getpixel((1000, y)) for y in (2, 768, 1533)] == [
            pytest.approx((shade,) * 3, abs=3) for shade in (0, 127, 255)
        ]


def test_of_a_phones_two_pictures_in_one_file_the_first_is_taken() -> None:
    drawn, second = io.BytesIO(), Image.new("RGB", (160, 100), "blue")
    Image.new("RGB", (320, 200), "red").save(drawn, "MPO", save_all=True, append_images=[second])
    with Image.open(pictures.to_png(ContentFile(drawn.getvalue()))) as png:
        assert png.size == (320, 200)
        assert png.getpixel((5, 5)) == pytest.approx((254, 0, 0), abs=2)


def test_one_of_several_passes_is_kept_whole_by_its_decoder_and_so_refused_earlier() -> None:
    with pytest.raises(picture_decoding.WrongSize, match="8064\u00a0×\u00a06048") as refusal:
        pictures.to_png(ContentFile(jpeg_of(8064, 6048, progressive=True)))
    assert refusal.value.next_step == "Use one with at most 16 megapixels, or save it without 'progressive'."


@pytest.mark.parametrize("size", [(1, 1), (15, 400)])
def test_a_picture_too_small_to_be_one_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(picture_decoding.WrongSize, match=f"{size[0]}\u00a0×\u00a0{size[1]}") as refusal:
        pictures.to_png(picture_file("PNG", size))
    assert "sides of at least 16 pixels" in refusal.value.next_step
