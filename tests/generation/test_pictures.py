"""What a picture may cost, however it was made."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.submission import pictures
from loremotion.refusals import Unavailable
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_uploads import picture_file

MEASURE = """
import resource, sys
from django.core.files.base import ContentFile
from generation.submission import pictures
from PIL import Image
for warm in ("PNG", "JPEG", "WEBP"):
    Image.init()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pictures.to_png(ContentFile(open(sys.argv[1], "rb").read()))
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
    side = int(pictures.MAX_PIXELS**0.5)
    Image.new(mode, (side, side)).save(path, kind)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < MOST_MIB


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_larger_is_not_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = picture_file(kind)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10_000)
    with pytest.raises(pictures.TooLarge, match="320x200"):
        pictures.to_png(sent)


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


def test_a_few_are_decoded_at_once_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(pictures, "_places", threading.BoundedSemaphore(1))
    with pictures._places, pytest.raises(Unavailable):
        pictures.to_png(picture_file())
    assert pictures.to_png(picture_file())


def test_one_request_of_a_workspace_is_in_line_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.01)
    with pictures.in_line("mine"):
        with pytest.raises(Unavailable), pictures.in_line("mine"):
            pytest.fail("two at once")
        if hash("mine") % pictures._LINES != hash("yours") % pictures._LINES:
            with pictures.in_line("yours"):
                pass


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
