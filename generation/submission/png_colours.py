"""The colour space that a PNG describes in chunks of its own (PNG, third edition, 11.3.2), as an ICC profile."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO, Any, Final

from PIL import ImageCms

Vector = tuple[float, float, float]

SRGB: Final = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""White, red, green and blue, each as x and y, in the order of ``cHRM``."""
_SAME: Final = 0.002
_BY_CODE_POINT: Final = {
    1: SRGB,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
"""Of ITU-T H.273: sRGB's, BT.2020's, Display P3's."""
_SRGB_CURVE: Final = 13
_HDR: Final = {16: "PQ", 18: "HLG"}
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS: Final = 1_000
_D50: Final = (0.9642, 1.0, 0.8249)
_BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_FROM_CONES: Final = (
    (0.9869929, -0.1470543, 0.1599627),
    (0.4323053, 0.5183603, 0.0492912),
    (-0.0085287, 0.0400428, 0.9684867),
)
"""The inverse of ``_BRADFORD``."""


class Foreign(ValueError):
    """Its colours are described in a way that is not read here. The message follows "The PNG "."""


def code_points_of(file: IO[Any]) -> bytes | None:
    """Primaries, transfer, matrix and range of the chunk ``cICP``; None where there is none, or the file is no PNG.
    Leaves it where it was."""
    stood_at = file.tell()
    try:
        file.seek(0)
        return _code_points_in(file) if file.read(8) == _SIGNATURE else None
    finally:
        file.seek(stood_at)


def _code_points_in(file: IO[Any]) -> bytes | None:
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":
            return None
        length = int.from_bytes(head[:4])
        if head[4:] == b"cICP":
            found: bytes = file.read(4)
            return found if length == len(found) == 4 else None
        file.seek(length + 4, 1)
    return None


def refuse_foreign(file: IO[Any]) -> None:
    """Refuse a PNG whose code points are not read here. Decodes nothing.

    Raises:
        Foreign: it is in HDR, or for a screen that is not known.
    """
    if (said := code_points_of(file)) is not None:
        profile_by_code_points(said)


def profile_by_code_points(said: bytes) -> bytes | None:
    """A profile of what ``cICP`` says; None for sRGB.

    Raises:
        Foreign: it is none of the colour spaces of screens.
    """
    primaries, transfer, matrix, is_full = said
    if transfer in _HDR:
        raise Foreign(f"is in HDR ({_HDR[transfer]}), which is not read in a PNG")
    if transfer != _SRGB_CURVE or primaries not in _BY_CODE_POINT or matrix or not is_full:
        described = ", ".join(str(number) for number in said)
        raise Foreign(f"has colours of a kind that is not read here (cICP {described})")
    return profile_by_chromaticities(_BY_CODE_POINT[primaries])


def profile_by_chromaticities(said: Sequence[float], gamma: float | None = None) -> bytes | None:
    """A profile of what ``cHRM`` and ``gAMA`` say, or with sRGB's curve; None where the primaries are sRGB's, or
    those of no light."""
    if len(said) != len(SRGB) or all(abs(one - other) < _SAME for one, other in zip(said, SRGB, strict=True)):
        return None
    try:
        return _with(_columns(said), gamma)
    except (ValueError, OverflowError, ZeroDivisionError, struct.error):
        return None


def _columns(said: Sequence[float]) -> list[Vector]:
    """Red, green and blue in XYZ, adapted to the white of profiles."""
    white, *primaries = ((x / y, 1.0, (1 - x - y) / y) for x, y in zip(said[::2], said[1::2], strict=True))
    whole = _determinant(primaries)
    shares = [_determinant([*primaries[:at], white, *primaries[at + 1 :]]) / whole for at in range(3)]
    gains = [there / here for there, here in zip(_times(_BRADFORD, _D50), _times(_BRADFORD, white), strict=True)]

    def adapted(colour: Vector, share: float) -> Vector:
        cones = [gain * share * cone for gain, cone in zip(gains, _times(_BRADFORD, colour), strict=True)]
        return _times(_FROM_CONES, cones)

    return [adapted(colour, share) for colour, share in zip(primaries, shares, strict=True)]


def _determinant(columns: Sequence[Vector]) -> float:
    (a, d, g), (b, e, h), (c, f, i) = columns
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _times(rows: Sequence[Sequence[float]], vector: Sequence[float]) -> Vector:
    x, y, z = (sum(one * other for one, other in zip(row, vector, strict=True)) for row in rows)
    return x, y, z


def _with(columns: Sequence[Vector], gamma: float | None) -> bytes:
    """The profile of sRGB with other primaries, and another curve if there is a ``gamma``."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for index in range(int.from_bytes(profile[128:132])):
        at = 132 + 12 * index
        tags[bytes(profile[at : at + 4])] = at
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        where = int.from_bytes(profile[tags[name] + 4 : tags[name] + 8])
        profile[where + 8 : where + 20] = struct.pack(">3i", *(round(65536 * value) for value in column))
    for name in (b"rTRC", b"gTRC", b"bTRC") if gamma else ():
        where = int.from_bytes(profile[tags[name] + 4 : tags[name] + 8])
        profile[where : where + 14] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 / (gamma or 1.0)))
        profile[tags[name] + 8 : tags[name] + 12] = struct.pack(">I", 14)
    return bytes(profile)
