"""A picture that somebody sends has the colours and the shape that a browser shows of it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from django.core.files.base import ContentFile
from PIL import Image, ImageCms
from playwright.sync_api import Browser, Page

from generation.submission import pictures
from tests.browser_view import shown

Pixels = npt.NDArray[np.uint8]
QUARTERS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))
MAGENTA = (255, 0, 255)


def quarters(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red, green, blue and yellow."""
    small = Image.new("RGB", (2, 2))
    small.putdata(QUARTERS)
    return small.resize(size, Image.Resampling.NEAREST)


def cut_out(mode: str) -> Image.Image:
    """The quarters between transparent parts, whose hidden colour nobody is meant to see."""
    picture = Image.new("RGBA", (96, 64), (*MAGENTA, 0))
    picture.paste(quarters((64, 32)), (16, 16))
    if mode == "P":
        picture = picture.convert("RGB").quantize(8)
        hidden = picture.getpixel((0, 0))
        picture.info["transparency"] = hidden
        return picture
    return picture.convert(mode)


def profile(*, is_swapped: bool = False, gamma: float = 0.0) -> bytes:
    """Of sRGB, with two primaries exchanged or another curve."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for index in range(int.from_bytes(content[128:132])):
        at = 132 + 12 * index
        tags[bytes(content[at : at + 4])] = at
    if is_swapped:
        red, green = tags[b"rXYZ"], tags[b"gXYZ"]
        content[red : red + 4], content[green : green + 4] = b"gXYZ", b"rXYZ"
    if gamma:
        for name in (b"rTRC", b"gTRC", b"bTRC"):
            at = tags[name]
            where = int.from_bytes(content[at + 4 : at + 8])
            content[where : where + 14] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
            content[at + 8 : at + 12] = struct.pack(">I", 14)
    return bytes(content)


def png_of_16_bits(grey: npt.NDArray[np.uint16]) -> Image.Image:
    return Image.fromarray(grey)


def with_chunk(png: bytes, name: bytes, content: bytes) -> bytes:
    """The PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return png[:33] + chunk + png[33:]


def saved(picture: Image.Image, kind: str, **saving: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **saving)
    return content.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(quarters(), "JPEG", exif=exif.tobytes(), quality=95, subsampling=0)


def with_gamma(exponent: float) -> bytes:
    return with_chunk(saved(quarters(), "PNG"), b"gAMA", struct.pack(">I", round(100_000 / exponent)))


def chromaticities(*said: float) -> bytes:
    """The chunk ``cHRM``: white, red, green, blue."""
    return struct.pack(">8I", *(round(100_000 * one) for one in said))


ADOBE_RGB = chromaticities(0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB = chromaticities(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
RAMP = np.tile(np.linspace(0, 65535, 96).astype(np.uint16), (64, 1))


def animated(kind: str, **saving: Any) -> bytes:
    """The quarters, then something else; behind another picture where there is a default one."""
    first, *later = [quarters(), Image.new("RGB", (96, 64), "cyan"), Image.new("RGB", (96, 64), "magenta")]
    if saving.get("default_image"):
        later, first = [first, *later], Image.new("RGB", (96, 64), "magenta")
    return saved(first, kind, save_all=True, append_images=later, duration=10_000, **saving)


SENT: dict[str, Callable[[], tuple[str, bytes]]] = {
    "plain": lambda: (".png", saved(quarters(), "PNG")),
    "transparent": lambda: (".png", saved(cut_out("RGBA"), "PNG")),
    "transparent grey": lambda: (".png", saved(cut_out("LA"), "PNG")),
    "transparent palette": lambda: (".png", saved(cut_out("P"), "PNG")),
    "transparent WebP": lambda: (".webp", saved(cut_out("RGBA"), "WEBP", lossless=True, exact=True)),
    "one colour transparent": lambda: (".png", saved(quarters(), "PNG", transparency=QUARTERS[0])),
    "half transparent": lambda: (".png", saved(Image.new("RGBA", (96, 64), (200, 30, 30, 128)), "PNG")),
    "grey of 16 bits": lambda: (".png", saved(png_of_16_bits(RAMP), "PNG")),
    "profile, PNG": lambda: (".png", saved(quarters(), "PNG", icc_profile=profile(is_swapped=True))),
    "profile, JPEG": lambda: (".jpg", saved(quarters(), "JPEG", quality=95, icc_profile=profile(gamma=1.4))),
    "profile, WebP": lambda: (".webp", saved(quarters(), "WEBP", icc_profile=profile(is_swapped=True), lossless=True)),
    "profile and transparent": lambda: (".png", saved(cut_out("RGBA"), "PNG", icc_profile=profile(is_swapped=True))),
    "profile that is none": lambda: (".png", saved(quarters(), "PNG", icc_profile=b"no profile at all")),
    "gamma": lambda: (".png", with_chunk(saved(quarters(), "PNG"), b"gAMA", struct.pack(">I", 100_000))),
    "gamma and sRGB": lambda: (
        ".png",
        with_chunk(with_chunk(saved(quarters(), "PNG"), b"gAMA", struct.pack(">I", 100_000)), b"sRGB", b"\x00"),
    ),
    "the usual gamma": lambda: (".png", with_gamma(2.2)),
    "other primaries": lambda: (".png", with_chunk(with_gamma(2.2), b"cHRM", ADOBE_RGB)),
    "primaries of sRGB": lambda: (".png", with_chunk(with_gamma(2.2), b"cHRM", SRGB)),
    "primaries of no light": lambda: (".png", with_chunk(with_gamma(2.2), b"cHRM", bytes(32))),
    "primaries alone": lambda: (".png", with_chunk(saved(quarters(), "PNG"), b"cHRM", ADOBE_RGB)),
    "code points of P3": lambda: (".png", with_chunk(saved(quarters(), "PNG"), b"cICP", bytes([12, 13, 0, 1]))),
    "code points of sRGB, and a gamma": lambda: (".png", with_chunk(with_gamma(1.0), b"cICP", bytes([1, 13, 0, 1]))),
    "animated PNG": lambda: (".png", animated("PNG")),
    "animated PNG, with another picture for who shows none": lambda: (".png", animated("PNG", default_image=True)),
    "animated WebP": lambda: (".webp", animated("WEBP", lossless=True)),
    **{f"turned {way}": lambda way=way: (".jpg", turned(way)) for way in range(1, 9)},  # type: ignore[misc]
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def taken(content: bytes) -> Pixels:
    with Image.open(pictures.to_png(ContentFile(content))) as png:
        assert png.mode == "RGB"
        return np.asarray(png)


@pytest.mark.browser
@pytest.mark.parametrize("what", SENT)
def test_what_is_taken_is_what_a_browser_shows(page: Page, tmp_path: Path, what: str) -> None:
    suffix, content = SENT[what]()
    path = tmp_path / f"sent{suffix}"
    path.write_bytes(content)
    expected, made = shown(page, path), taken(content)
    assert made.shape == expected.shape
    difference = np.abs(made.astype(int) - expected.astype(int))
    assert np.quantile(difference, 0.98) <= 4, f"up to {difference.max()}"  # an edge in a JPEG may differ by more


def test_hidden_colours_stay_hidden_where_a_large_picture_is_made_smaller() -> None:
    large = cut_out("RGBA").resize((4096, 2730), Image.Resampling.NEAREST)
    made = taken(saved(large, "PNG")).astype(int)
    is_magenta = (made[..., 0] > 200) & (made[..., 1] < 200) & (made[..., 2] > 200)
    assert not is_magenta.any()


def test_a_ramp_of_16_bits_stays_a_ramp() -> None:
    made = taken(saved(png_of_16_bits(RAMP), "PNG"))[0, :, 0].astype(int)
    assert np.abs(made - np.linspace(0, 255, 96)).max() <= 1


def test_ink_is_shown_by_its_profile_or_as_a_browser_would() -> None:
    made = taken(saved(quarters().convert("CMYK"), "JPEG", quality=95, subsampling=0))
    for (y, x), colour in zip(((16, 24), (16, 72), (48, 24), (48, 72)), QUARTERS, strict=True):
        assert np.abs(made[y, x].astype(int) - colour).max() <= 8


@pytest.mark.parametrize(("code_points", "named"), [((9, 16, 0, 1), "HDR (PQ)"), ((1, 8, 0, 1), "cICP 1, 8, 0, 1")])
def test_a_png_with_colours_that_are_not_read_is_refused_by_name(code_points: tuple[int, ...], named: str) -> None:
    sent = with_chunk(saved(quarters(), "PNG"), b"cICP", bytes(code_points))
    with pytest.raises(pictures.Unreadable, match=re.escape(named)):
        pictures.to_png(ContentFile(sent))
