"""HEIC and AVIF pictures are decoded where videos are, and look as a browser or a phone shows them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from gpu_worker import inputs, media_input
from gpu_worker.media import bounds, heif, heif_boxes, still
from gpu_worker.media.colour import HLG, Pixels
from gpu_worker.media_input import Wanted
from gpu_worker.sandbox import FileUnreadable
from tests.browser_view import shown
from tests.generation.test_picture_colours import cut_out, profile, quarters
from tests.heif_files import av1_of, box, colour_box, heif_of, hevc_of, tiles_of

WANTED = Wanted(width=4096, height=4096, fps=8, first=1)
LARGE = (208, 144)


def avif(picture: Image.Image, **saving: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, "AVIF", **{"quality": 95, "subsampling": "4:4:4", **saving})
    return content.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return avif(quarters(), exif=exif.tobytes())


SENT: dict[str, Callable[[], bytes]] = {
    "plain": lambda: avif(quarters()),
    "fewer colours than brightnesses": lambda: avif(quarters(), subsampling="4:2:0"),
    "limited range": lambda: avif(quarters(), range="limited"),
    "transparent": lambda: avif(cut_out("RGBA")),
    "profile": lambda: avif(quarters(), icc_profile=profile(is_swapped=True)),
    "grey": lambda: avif(quarters().convert("L")),
    "grid": lambda: heif_of(tiles_of(quarters(LARGE), 64, av1_of), columns=4, size=LARGE),
    "P3": lambda: heif_of([av1_of(quarters())], properties=(colour_box(12, 13, 6, is_full=True),)),
    "mirrored": lambda: heif_of([av1_of(quarters())], properties=(box(b"imir", b"\x00"),)),
    "flipped": lambda: heif_of([av1_of(quarters())], properties=(box(b"imir", b"\x01"),)),
    **{f"turned {way}": lambda way=way: turned(way) for way in range(2, 9)},  # type: ignore[misc]
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("what", SENT)
def test_an_avif_looks_as_a_browser_shows_it(page: Page, tmp_path: Path, what: str) -> None:
    path = tmp_path / "sent.avif"
    path.write_bytes(SENT[what]())
    expected, made = shown(page, path), still.decode(io.BytesIO(path.read_bytes()), 4096, 4096)
    assert made.shape == expected.shape
    difference = np.abs(made.astype(int) - expected.astype(int))
    assert np.quantile(difference, 0.9) <= 5, f"up to {difference.max()}"  # edges are drawn either way


def looks_like(made: Pixels, picture: Image.Image) -> bool:
    expected = np.asarray(picture.convert("RGB")).astype(int)
    return bool(made.shape == expected.shape and np.quantile(np.abs(made.astype(int) - expected), 0.97) <= 8)


@pytest.mark.parametrize(("size", "columns"), [((96, 64), 1), (LARGE, 4)], ids=["one picture", "the tiles of a phone"])
def test_a_heic_is_taken(tmp_path: Path, size: tuple[int, int], columns: int) -> None:
    drawn = quarters(size)
    tiles = [hevc_of(drawn)] if columns == 1 else tiles_of(drawn, 64, hevc_of)
    path = tmp_path / "a.heic"
    path.write_bytes(heif_of(tiles, columns=columns, size=size))
    made = inputs.decode("image", path, WANTED, lambda: None)
    assert isinstance(made, Image.Image)
    assert looks_like(np.asarray(made), drawn)


def test_a_heic_of_a_phone_held_upright_stands_upright() -> None:
    content = heif_of([hevc_of(quarters())], properties=(box(b"irot", b"\x03"),))
    assert looks_like(still.decode(io.BytesIO(content), 4096, 4096), quarters().rotate(-90, expand=True))


def test_a_large_heic_is_made_as_small_as_the_clip_allows() -> None:
    content = heif_of(tiles_of(quarters((512, 384)), 128, hevc_of), columns=4, size=(512, 384))
    assert still.decode(io.BytesIO(content), 128, 64).shape == (96, 128, 3)


def test_what_an_encoder_filled_up_is_cut_off() -> None:
    content = heif_of([hevc_of(quarters())]).replace(struct.pack(">II", 96, 64), struct.pack(">II", 95, 63))
    assert still.decode(io.BytesIO(content), 4096, 4096).shape == (63, 95, 3)


def test_a_picture_that_is_smaller_than_it_says_is_refused() -> None:
    content = heif_of([hevc_of(quarters())]).replace(struct.pack(">II", 96, 64), struct.pack(">II", 97, 64))
    with pytest.raises(SystemExit):
        still.decode(io.BytesIO(content), 4096, 4096)


def test_hdr_in_a_heic_is_shown_as_hdr() -> None:
    content = heif_of([hevc_of(Image.new("RGB", (64, 64), (128, 128, 128)))])
    as_hdr = heif_of(
        [hevc_of(Image.new("RGB", (64, 64), (128, 128, 128)))], properties=(colour_box(9, HLG, 9, is_full=True),)
    )
    plain, hdr = (still.decode(io.BytesIO(sent), 64, 64)[32, 32, 0] for sent in (content, as_hdr))
    assert (plain, hdr) == (pytest.approx(128, abs=2), pytest.approx(137, abs=3))


def clean_aperture(*said: int) -> bytes:
    return box(b"clap", struct.pack(">IIIIiIiI", *said))


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ((clean_aperture(48, 1, 64, 1, 0, 1, 0, 1),), "clean aperture"),
        ((clean_aperture(96, 1, 64, 1, 1, 2, 0, 1),), "clean aperture"),
        ((colour_box(1, 13, 14, is_full=True),), "matrix"),
    ],
)
def test_what_would_be_shown_otherwise_is_refused_by_name(properties: tuple[bytes, ...], named: str) -> None:
    with pytest.raises(heif_boxes.Foreign, match=named):
        heif.read_still(io.BytesIO(heif_of([av1_of(quarters())], properties=properties)))


def test_an_animation_without_a_still_is_refused_by_name() -> None:
    content = box(b"ftyp", b"hevc", bytes(4), b"msf1hevc") + box(b"moov", bytes(40)) + box(b"mdat", bytes(40))
    with pytest.raises(heif_boxes.Foreign, match="animation"):
        heif.read_still(io.BytesIO(content))


def test_of_an_animated_avif_the_first_picture_is_taken() -> None:
    content = avif(quarters(), save_all=True, append_images=[Image.new("RGB", (96, 64), "cyan")], duration=100)
    assert looks_like(still.decode(io.BytesIO(content), 4096, 4096), quarters())


def test_a_clean_aperture_of_the_whole_picture_is_none() -> None:
    content = heif_of([av1_of(quarters())], properties=(clean_aperture(192, 2, 64, 1, 0, 1, 0, 1),))
    assert looks_like(still.decode(io.BytesIO(content), 4096, 4096), quarters())


# --- hostile files -----------------------------------------------------------------------------------------------


def test_every_cut_is_refused_in_words(tmp_path: Path) -> None:
    whole = heif_of([hevc_of(quarters())])
    for length in range(12, len(whole), 37):
        with pytest.raises(heif_boxes.Damaged):
            heif.read_still(io.BytesIO(whole[:length]))


def test_any_changed_byte_is_read_or_refused() -> None:
    """Of the description: what follows is for the sandbox."""
    whole = heif_of(tiles_of(quarters((128, 64)), 64, av1_of), columns=2, size=(128, 64))
    for at in range(8, whole.index(b"mdat")):
        for value in (0, 255, whole[at] ^ 1):
            changed = bytearray(whole)
            changed[at] = value
            try:
                heif.read_still(io.BytesIO(bytes(changed)))
            except (heif_boxes.Damaged, heif_boxes.Foreign):
                continue


def test_the_sandbox_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(heif_of([hevc_of(quarters())])[:-20])
    with pytest.raises(FileUnreadable, match="damaged or cut off"):
        media_input.picture(path, WANTED)


def test_more_pixels_than_any_camera_makes_are_refused() -> None:
    content = heif_of([av1_of(quarters())] * 4, columns=2, size=(60_000, 60_000))
    with pytest.raises(SystemExit) as ended:
        still.decode(io.BytesIO(content), 64, 64)
    assert ended.value.code == bounds.REFUSED


def test_a_picture_of_another_codec_is_foreign() -> None:
    content = heif_of([hevc_of(quarters())]).replace(b"hvc1", b"jpeg")
    with pytest.raises(heif_boxes.Foreign, match="jpeg"):
        heif.read_still(io.BytesIO(content))


def test_a_photo_of_48_megapixels_fits_into_the_sandbox(tmp_path: Path) -> None:
    tile = hevc_of(quarters((512, 512)))
    path = tmp_path / "a.heic"
    path.write_bytes(heif_of([tile] * 192, columns=16, size=(8064, 6048)))
    assert media_input.picture(path, Wanted(width=128, height=96, fps=8, first=1)).size == (128, 96)
