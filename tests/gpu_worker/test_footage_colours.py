"""Videos have the colours and the shape that a browser shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from gpu_worker import media_input
from gpu_worker.media import colour
from gpu_worker.media.colour import Colour, Pixels, Turn
from gpu_worker.media_input import Wanted
from tests.browser_view import shown

QUARTERS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))
TONES = ((100, 110, 180), (120, 105, 95), (160, 128, 128), (80, 160, 120))
"""Y, Cb, Cr of four fields, whatever they mean."""
ROUNDING = 6
"""The browser's own: it multiplies Cb by 2 where BT.709 says 2.11."""


def fields(tones: tuple[tuple[int, int, int], ...], size: tuple[int, int], *, bits: int = 8) -> av.VideoFrame:
    """A frame with a tone in each of its quarters."""
    frame = av.VideoFrame(*size, "yuv420p" if bits == 8 else "yuv420p10le")
    kind, scale = (np.uint8, 1) if bits == 8 else (np.uint16, 4)
    for index, plane in enumerate(frame.planes):
        four = np.array([tone[index] * scale for tone in tones], kind).reshape(2, 2)
        drawn = np.kron(four, np.ones((-(-plane.height // 2), -(-plane.width // 2)), kind))
        padded = np.zeros((plane.height, plane.line_size // kind().itemsize), kind)
        padded[:, : plane.width] = drawn[: plane.height, : plane.width]
        plane.update(padded.tobytes())
    return frame


def write(
    path: Path,
    frame: av.VideoFrame,
    said: Colour,
    *,
    codec: str = "libx264",
    aspect: Fraction | None = None,
    matrix: tuple[int, ...] = (),
) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=Fraction(8))
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        stream.options = {"preset": "10"} if codec == "libsvtav1" else {"crf": "4"}
        for holder in (stream.codec_context, frame):
            holder.color_primaries, holder.color_trc = said.primaries, said.transfer
            holder.colorspace, holder.color_range = said.matrix, said.range
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if matrix:
            stream.set_display_matrix(matrix)
        for index in range(4):
            frame.pts, frame.time_base = index, Fraction(1, 8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> Pixels:
    """The first frame, as the sandbox makes it, in this process."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return colour.pixels_of(frame, Colour.of(frame), frame.width, frame.height)


def middles(pixels: Pixels) -> list[tuple[int, ...]]:
    height, width = pixels.shape[:2]
    return [
        tuple(int(part) for part in pixels[height * down // 4, width * across // 4])
        for down, across in ((1, 1), (1, 3), (3, 1), (3, 3))
    ]


def differ_by(one: list[tuple[int, ...]], other: list[tuple[int, ...]]) -> int:
    return int(np.abs(np.array(one) - np.array(other)).max())


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Colour(1, 1, 1, 1), id="BT.709"),
        pytest.param(Colour(1, 13, 1, 1), id="BT.709 with the curve of sRGB"),
        pytest.param(Colour(1, 1, 1, 2), id="BT.709, full range"),
        pytest.param(Colour(6, 6, 6, 1), id="BT.601"),
        pytest.param(Colour(6, 6, 6, 2), id="BT.601, full range"),
        pytest.param(Colour(5, 6, 5, 1), id="PAL"),
        pytest.param(Colour(1, 4, 1, 1), id="gamma 2.2"),
        pytest.param(Colour(1, 5, 1, 1), id="gamma 2.8"),
        pytest.param(Colour(1, 8, 1, 1), id="linear"),
        pytest.param(Colour(12, 13, 1, 1), id="P3"),
        pytest.param(Colour(9, 14, 9, 1), id="BT.2020 without HDR"),
        pytest.param(Colour(), id="nothing said, SD"),
    ],
)
def test_colours_are_those_that_a_browser_shows(page: Page, tmp_path: Path, said: Colour) -> None:
    path = write(tmp_path / "a.mp4", fields(TONES, (96, 64)), said)
    assert differ_by(middles(decoded(path)), middles(shown(page, path))) <= ROUNDING


@pytest.mark.parametrize("range_", [colour.LIMITED_RANGE, colour.FULL_RANGE], ids=["limited", "full"])
@pytest.mark.parametrize("bits", [8, 10])
def test_ycgco_is_read_as_the_standard_says(tmp_path: Path, range_: int, bits: int) -> None:
    """In H.273: G is Y + Cg, and R and B are Y - Cg, plus and minus Co. Chromium takes it for BT.601."""
    base, span, chroma = (16, 219, 224) if range_ == colour.LIMITED_RANGE else (0, 255, 255)
    tones: list[tuple[int, int, int]] = []
    for red, green, blue in QUARTERS:
        luma, cg, co = red / 4 + green / 2 + blue / 4, green / 2 - red / 4 - blue / 4, (red - blue) / 2
        green_, orange = (round(128 + part * chroma / 255) for part in (cg, co))
        tones.append((round(base + luma * span / 255), green_, orange))
    frame = fields(tuple(tones), (96, 64), bits=bits)
    said = Colour(1, 1, 8, range_)
    assert differ_by(middles(decoded(write(tmp_path / "a.mp4", frame, said))), list(QUARTERS)) <= ROUNDING
    with_alpha = frame.format.name.replace("yuv", "yuva")
    opaque = frame.reformat(
        format=with_alpha, src_colorspace=1, dst_colorspace=1, src_color_range=range_, dst_color_range=range_
    )
    assert differ_by(middles(colour.pixels_of(opaque, said, 96, 64)), list(QUARTERS)) <= ROUNDING


@pytest.mark.browser
@pytest.mark.parametrize("size", [(128, 720), (128, 704)], ids=["HD", "not HD"])
def test_what_says_nothing_is_read_by_its_size(page: Page, tmp_path: Path, size: tuple[int, int]) -> None:
    path = write(tmp_path / "a.mp4", fields(TONES, size), Colour())
    assert differ_by(middles(decoded(path)), middles(shown(page, path))) <= ROUNDING


@pytest.mark.browser
@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_what_is_transparent_shows_no_hidden_colour(page: Page, tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.webm"
    drawn = np.full((64, 96, 4), (255, 0, 255, 0), np.uint8)
    drawn[16:48, 16:80] = (200, 30, 30, 255)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=Fraction(8))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuva420p"
        stream.metadata["alpha_mode"] = "1"
        stream.options = {"auto-alt-ref": "0"}  # which VP8 cannot have beside transparency
        for index in range(2):
            frame = av.VideoFrame.from_ndarray(drawn, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = index, Fraction(1, 8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for size in ((96, 64), (48, 32)):
        (first, *_) = media_input.frames(path, Wanted(width=size[0], height=size[1], fps=8, first=1), lambda: None)
        made = np.asarray(first).astype(int)
        assert not ((made[..., 1] < 200) & (made[..., 2] > 200)).any()
        assert tuple(made[size[1] // 2, size[0] // 2]) == pytest.approx((200, 30, 30), abs=4)
    assert differ_by([shown(page, path)[2, 2]], [(255, 255, 255)]) == 0


# --- HDR -----------------------------------------------------------------------------------------------------------


def light_of(colours: tuple[tuple[int, ...], ...]) -> np.ndarray[Any, Any]:
    value = np.array(colours) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def coded(transfer: int) -> tuple[tuple[int, int, int], ...]:
    """The quarters as a camera codes them that takes 203 nits for white: Y, Cb, Cr of BT.2020, of eight bits."""
    to_2020 = np.linalg.inv(colour.TO_SRGB[9].astype(float))
    light = light_of(QUARTERS) @ to_2020.T
    if transfer == colour.HLG:
        light = light * 203 / 1000
        light = light * (light @ [0.2627, 0.678, 0.0593])[:, None] ** (1 / 1.2 - 1)
        bright = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
        value = np.where(light <= 1 / 12, np.sqrt(3 * light), bright)
    else:
        root = (light * 203 / 10_000) ** 0.1593017578125
        value = ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375
    luma = value @ [0.2627, 0.678, 0.0593]
    blue, red = (value[:, 2] - luma) / 1.8814, (value[:, 0] - luma) / 1.4746
    return tuple((16 + 219 * y, 128 + 224 * b, 128 + 224 * r) for y, b, r in zip(luma, blue, red, strict=True))


@pytest.mark.parametrize("transfer", [colour.HLG, colour.PQ], ids=["HLG", "PQ"])
def test_what_is_no_brighter_than_paper_keeps_its_colours_in_hdr(transfer: int, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.mp4", fields(coded(transfer), (96, 64), bits=10), Colour(9, transfer, 9, 1), codec="libsvtav1"
    )
    (first, *_) = media_input.frames(path, Wanted(width=96, height=64, fps=8, first=1), lambda: None)
    assert differ_by(middles(np.asarray(first)), list(QUARTERS)) <= 6


@pytest.mark.browser
@pytest.mark.parametrize("transfer", [colour.HLG, colour.PQ], ids=["HLG", "PQ"])
def test_hues_of_hdr_are_those_that_a_browser_shows(page: Page, transfer: int, tmp_path: Path) -> None:
    """A browser shows HDR darker, to have room for what is brighter than paper."""
    path = write(
        tmp_path / "a.mp4", fields(coded(transfer), (96, 64), bits=10), Colour(9, transfer, 9, 1), codec="libsvtav1"
    )
    ours, theirs = (light_of(tuple(middles(pixels))) for pixels in (decoded(path), shown(page, path)))
    shares = [light / light.sum(axis=1, keepdims=True) for light in (ours, theirs)]
    assert np.abs(shares[0] - shares[1]).max() < 0.03


@pytest.mark.parametrize("transfer", [colour.HLG, colour.PQ], ids=["HLG", "PQ"])
def test_what_is_brighter_than_paper_rolls_off_and_never_turns_darker(transfer: int) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], 3, axis=2)
    made = colour.to_srgb(ramp, Colour(9, transfer, 9, 1))[0].astype(int)
    assert (np.diff(made[:, 0]) >= 0).all()
    assert (made[:, 0] == made[:, 1]).all()
    assert (made[0, 0], made[-1, 0]) == (0, 255)
    white = {colour.HLG: 0.75, colour.PQ: 0.58}[transfer]
    assert 230 <= made[round(255 * white), 0] < 250


# --- shape ---------------------------------------------------------------------------------------------------------

MATRICES = {
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "on its head": (-1, 0, 0, -1),
    "flipped": (1, 0, 0, -1),
    "to the right": (0, 1, -1, 0),
    "to the left": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "transposed across": (0, -1, -1, 0),
}


def of_track(four: tuple[int, ...]) -> tuple[int, ...]:
    a, b, c, d = (part << 16 for part in four)
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)


@pytest.mark.browser
@pytest.mark.parametrize("way", MATRICES)
def test_a_video_is_turned_as_a_browser_turns_it(page: Page, tmp_path: Path, way: str) -> None:
    path = write(tmp_path / "a.mp4", fields(TONES, (96, 64)), Colour(1, 1, 1, 1), matrix=of_track(MATRICES[way]))
    (first, *_) = media_input.frames(path, Wanted(width=96, height=96, fps=8, first=1), lambda: None)
    made, expected = np.asarray(first), shown(page, path)
    assert made.shape == expected.shape
    assert differ_by(middles(made), middles(expected)) <= ROUNDING


@pytest.mark.browser
@pytest.mark.parametrize("way", ["upright", "mirrored", "to the right", "transposed across"])
@pytest.mark.parametrize("size", [(97, 131), (98, 131)])
def test_a_video_of_odd_size_is_turned_as_a_browser_turns_it(
    page: Page, tmp_path: Path, size: tuple[int, int], way: str
) -> None:
    frame, matrix = fields(TONES, size), of_track(MATRICES[way])
    path = write(tmp_path / "a.mp4", frame, Colour(1, 1, 1, 1), codec="libvpx-vp9", matrix=matrix)
    (first, *_) = media_input.frames(path, Wanted(width=256, height=256, fps=8, first=1), lambda: None)
    made, expected = np.asarray(first), shown(page, path)
    assert made.shape == expected.shape
    assert differ_by(middles(made), middles(expected)) <= ROUNDING


@pytest.mark.browser
@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2), Fraction(4, 3)])
def test_pixels_that_are_not_square_become_so(page: Page, tmp_path: Path, aspect: Fraction) -> None:
    path = write(tmp_path / "a.mp4", fields(TONES, (96, 64)), Colour(1, 1, 1, 1), aspect=aspect)
    (first, *_) = media_input.frames(path, Wanted(width=512, height=512, fps=8, first=1), lambda: None)
    assert np.asarray(first).shape == shown(page, path).shape


def test_every_right_angle_and_mirror_is_one_of_eight() -> None:
    turns = {Turn.by_matrix(np.array(of_track(four), np.int32).tobytes()) for four in MATRICES.values()}
    assert len(turns) == 8
