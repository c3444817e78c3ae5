"""Frames as a screen shows them: sRGB, upright, with square pixels.

What a file says is a table of code points (ITU-T H.273); the same ones stand in videos, HEIC and AVIF.

| of it     | code points      | what is shown                                                             |
|-----------|------------------|---------------------------------------------------------------------------|
| matrix    | 1; 4; 5, 6; 7    | BT.709; FCC; BT.601; SMPTE 240M                                           |
|           | 9, 10; 0; 8      | BT.2020; RGB as it is; YCgCo                                              |
|           | 11, 13 to 17     | refused in footage as in stills: ICtCp and others, which browsers show wrong |
|           | 2 (not said)     | BT.2020 if its primaries are, else BT.709 from 720 lines, BT.601 below    |
| range     | 2; else          | full; limited                                                             |
| transfer  | 16, 18 (PQ, HLG) | what is no brighter than paper stays so, what is brighter rolls off       |
|           | 4; 5; 8          | gamma 2.2; gamma 2.8; linear                                              |
|           | else             | as sRGB, which is what browsers do                                        |
| primaries | 5; 9; 11, 12     | brought from BT.470 BG, BT.2020, P3 to sRGB                               |
|           | else             | as sRGB                                                                   |
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Light = npt.NDArray[np.float32]

UNKNOWN: Final = 2
FULL_RANGE: Final = 2
LIMITED_RANGE: Final = 1
HD_LINES: Final = 720
PQ, HLG = 16, 18

_MATRICES: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""Code point → swscale's number."""
_BT2020: Final = 9
_YCGCO: Final = 8
"""Which swscale does not know."""
UNREAD_MATRICES: Final = frozenset({11, 13, 14, 15, 16, 17})
"""YDzDx, derived ones with constant luminance, ICtCp, IPT and YCgCo-R: shown by another matrix, all would be false."""
_SRGB_PRIMARIES: Final = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_P3: Final = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
_PRIMARIES: Final = {
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    _BT2020: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: _P3,
    12: _P3,
}
_WHITE: Final = (0.3127, 0.3290)
PAPER_NITS: Final = 203.0
"""Reference white of HDR (BT.2408), which is white on a screen without HDR."""
_PEAK: Final = 1000.0 / PAPER_NITS
_KNEE: Final = 0.75
"""Above it what is bright is compressed, so that ``_PEAK`` is just white."""
_LEVELS: Final = 65536


@dataclass(frozen=True, slots=True)
class Colour:
    """What a file says about its colours, by code points."""

    primaries: int = UNKNOWN
    transfer: int = UNKNOWN
    matrix: int = UNKNOWN
    range: int = 0

    @classmethod
    def of(cls, frame: Any) -> Colour:
        is_full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
        return cls(frame.color_primaries, frame.color_trc, frame.colorspace, FULL_RANGE if is_full else LIMITED_RANGE)

    @property
    def is_srgb(self) -> bool:
        """Whether decoded numbers are sRGB's already."""
        return self.transfer not in _CURVES and self.primaries not in _PRIMARIES


SRGB: Final = Colour(1, 13, 1, FULL_RANGE)


def pixels_of(frame: Any, colour: Colour, width: int, height: int) -> Pixels:
    """``(height, width, 3)`` in sRGB of a decoded frame, scaled; where it is transparent, on a white page."""
    from av import VideoFrame

    if not any(component.is_alpha for component in frame.format.components):
        numbers = _numbers(frame, colour, width, height, "rgb24" if colour.is_srgb else "rgb48le")
        return numbers if colour.is_srgb else to_srgb(numbers, colour)
    # At full size, and made smaller behind it: else the colours of what is hidden would be mixed in.
    numbers = _numbers(frame, colour, frame.width, frame.height, "rgba64le")
    share = numbers[..., 3:].astype(np.float32) / (_LEVELS - 1)
    pixels = on_white(to_srgb(numbers[..., :3], colour), share)
    opaque = VideoFrame.from_ndarray(pixels, format="rgb24")
    return pixels_of(opaque, SRGB, width, height)


def on_white(pixels: Pixels, share: npt.NDArray[np.floating[Any]]) -> Pixels:
    """The pixels on a white page, each with its ``share`` of opacity."""
    page: Pixels = np.round(pixels * share + 255 * (1 - share)).astype(np.uint8)
    return page


def _numbers(frame: Any, colour: Colour, width: int, height: int, layout: str) -> Any:
    from av.video.reformatter import Interpolation, VideoReformatter

    if colour.matrix == _YCGCO and not frame.format.is_rgb:
        return _of_ycgco(frame, colour, width, height, layout)
    coding = {} if frame.format.is_rgb else {"src_colorspace": _matrix(frame, colour), "src_color_range": colour.range}
    scaled = VideoReformatter().reformat(
        frame,
        width=width,
        height=height,
        format=layout,
        dst_color_range=FULL_RANGE,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
        threads=1,
        **coding,
    )
    return scaled.to_ndarray()


def _of_ycgco(frame: Any, colour: Colour, width: int, height: int, layout: str) -> Any:
    from av.video.reformatter import Interpolation, VideoReformatter

    has_alpha = layout.startswith("rgba")
    scaled = VideoReformatter().reformat(
        frame,
        width=width,
        height=height,
        format="yuva444p16le" if has_alpha else "yuv444p16le",
        src_colorspace=1,  # the same on both sides, so that numbers stay what they are
        dst_colorspace=1,
        src_color_range=colour.range,
        dst_color_range=FULL_RANGE,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
        threads=1,
    )
    planes = [_plane(scaled, index) for index in range(4 if has_alpha else 3)]
    bits = frame.format.components[0].bits
    white = (_LEVELS - 1) if colour.range != FULL_RANGE else ((1 << bits) - 1) << (16 - bits)
    luma, green, orange = planes[0] / white, (planes[1] - _LEVELS // 2) / white, (planes[2] - _LEVELS // 2) / white
    rest = luma - green
    shown = [np.clip(part, 0, 1) for part in (rest + orange, luma + green, rest - orange)]
    if has_alpha:
        shown.append(planes[3] / np.float32(_LEVELS - 1))
    numbers = np.stack(shown, axis=-1)
    return (
        np.round(numbers * 255).astype(np.uint8) if layout == "rgb24" else np.round(numbers * 65535).astype(np.uint16)
    )


def _plane(frame: Any, index: int) -> Light:
    """One plane of a frame of 16 bits."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
    return rows[:, : plane.width].astype(np.float32)


def _matrix(frame: Any, colour: Colour) -> int:
    if colour.matrix in _MATRICES:
        return _MATRICES[colour.matrix]
    if colour.primaries == _BT2020:
        return _BT2020
    return 1 if frame.height >= HD_LINES else 5


def to_srgb(numbers: npt.NDArray[np.uint16], colour: Colour) -> Pixels:
    """sRGB's numbers for RGB of 16 bits that is coded otherwise."""
    light: Light = _curve(colour.transfer)[numbers]
    if colour.transfer == HLG:
        luminance = light[..., :1] * 0.2627 + light[..., 1:2] * 0.6780 + light[..., 2:] * 0.0593
        light = light * luminance ** np.float32(0.2) * np.float32(_PEAK)
    if colour.transfer in (PQ, HLG):
        light = light * _gain(light.max(axis=-1, keepdims=True))
    if colour.primaries in _PRIMARIES:
        # By ``einsum``, which asks no BLAS: that would make calls which the sandbox forbids.
        light = np.einsum("hwc,rc->hwr", light, TO_SRGB[colour.primaries])
    steps: Pixels = _srgb_steps()[(np.clip(light, 0, 1) * (_LEVELS - 1) + 0.5).astype(np.uint16)]
    return steps


def _gain(brightest: Light) -> Light:
    """By what to multiply a pixel so that its hue stays: one up to ``_KNEE``, then ever less."""
    slope = (_PEAK - _KNEE) / (1 - _KNEE)
    bend = 1 / (slope - 1)
    beyond = np.clip((brightest - _KNEE) / (_PEAK - _KNEE), 0, 1)
    rolled = _KNEE + (1 - _KNEE) * beyond * (1 + bend) / (beyond + bend)
    gain: Light = np.where(brightest > _KNEE, rolled / np.maximum(brightest, _KNEE), 1).astype(np.float32)
    return gain


def _light_of_srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else math.pow((value + 0.055) / 1.055, 2.4)


def _light_of_pq(value: float) -> float:
    root = math.pow(value, 1 / 78.84375)
    share = max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return 10_000 / PAPER_NITS * math.pow(share, 1 / 0.1593017578125)


def _light_of_hlg(value: float) -> float:
    return value * value / 3 if value <= 0.5 else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


_CURVES: Final[dict[int, Callable[[float], float]]] = {
    4: lambda value: value**2.2,
    5: lambda value: value**2.8,
    8: lambda value: value,
    PQ: _light_of_pq,
    HLG: _light_of_hlg,
}


@cache
def _curve(transfer: int) -> Light:
    curve = _CURVES.get(transfer, _light_of_srgb)
    return np.array([curve(step / (_LEVELS - 1)) for step in range(_LEVELS)], np.float32)


@cache
def _srgb_steps() -> Pixels:
    light = np.linspace(0, 1, _LEVELS)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return np.round(coded * 255).astype(np.uint8)


def _to_xyz(primaries: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """The matrix whose columns are the primaries, as strong as makes white."""
    points = [(*primaries[at : at + 2],) for at in (0, 2, 4)]
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
    x, y = _WHITE
    return columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))


TO_SRGB: Final = {
    code: (np.linalg.inv(_to_xyz(_SRGB_PRIMARIES)) @ _to_xyz(primaries)).astype(np.float32)
    for code, primaries in _PRIMARIES.items()
}


# --- shape ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """What a display matrix asks for: rows for columns, then either axis reversed."""

    is_transposed: bool = False
    is_mirrored: bool = False
    is_flipped: bool = False

    @classmethod
    def by_matrix(cls, content: bytes) -> Turn:
        """Of the nine numbers of a track's header, as they lie in the file; to the nearest right angle."""
        a, b, _, c, d = struct.unpack("=5i", content[:20])
        is_transposed = abs(b) + abs(c) > abs(a) + abs(d)
        across, down = (c, b) if is_transposed else (a, d)
        return cls(is_transposed, across < 0, down < 0)

    def applied(self, pixels: Pixels) -> Pixels:
        if self.is_transposed:
            pixels = pixels.transpose(1, 0, 2)
        return np.ascontiguousarray(pixels[:: -1 if self.is_flipped else 1, :: -1 if self.is_mirrored else 1])


def turn_of(frame: Any) -> Turn:
    """How the frame wants to be turned."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return Turn.by_matrix(bytes(data))
    return Turn()


def square_size(width: int, height: int, aspect: float) -> tuple[int, int]:
    """The size with square pixels. ``aspect`` is the width of one over its height; one of the sides grows."""
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))
