"""The colours of a picture as a browser shows them: in sRGB, on a white page.

| the file says                            | what is shown                                                |
|------------------------------------------|--------------------------------------------------------------|
| an ICC profile for its kind of colours   | converted to sRGB                                            |
| one that is damaged or for other colours | as if there were none                                        |
| PNG: ``sRGB``, or nothing                | as it is                                                     |
| PNG: ``cICP``                            | sRGB, P3, BT.2020 converted; HDR and others refused          |
| PNG: ``gAMA``, with or without ``cHRM``  | from that curve and those primaries to sRGB's                |
| transparent, by channel, palette or key  | white shines through; the colour below is nowhere mixed in   |
| grey of 16 bits                          | its upper eight                                              |
"""

from __future__ import annotations

from typing import Final

from PIL import Image

from generation.submission import png_colours
from gpu_worker.media.profile import by_profile

_USUAL_GAMMA: Final = 1 / 2.2
_GREY_16: Final = frozenset({"I", "I;16", "I;16B", "I;16L"})


def eight_bits(picture: Image.Image) -> Image.Image:
    """The picture in a mode that can be made smaller, transparency as a channel of its own."""
    if picture.mode in _GREY_16:
        return picture.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if "transparency" in picture.info and picture.mode in ("1", "L", "RGB", "P"):
        return picture.convert("RGBA")
    if picture.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"):
        return picture
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def as_shown(picture: Image.Image) -> Image.Image:
    """An RGB copy of a picture that ``eight_bits`` prepared."""
    if picture.mode not in ("LA", "RGBA"):
        return _in_srgb(picture)
    page = Image.new("RGB", picture.size, "white")
    page.paste(_in_srgb(picture.convert(picture.mode[:-1])), mask=picture.getchannel("A"))
    return page


def _in_srgb(picture: Image.Image) -> Image.Image:
    content = picture.info.get("icc_profile")
    if content:
        return by_profile(picture, content) or picture.convert("RGB")
    gamma = picture.info.get("gamma")
    if not gamma or "srgb" in picture.info:
        return picture.convert("RGB")
    primaries = picture.info.get("chromaticity", ())
    primaries = primaries if all(primaries[1::2]) else ()  # of no light
    if described := png_colours.profile_by_chromaticities(primaries, gamma):
        return by_profile(picture, described) or picture.convert("RGB")
    if abs(gamma - _USUAL_GAMMA) < 0.01 and not primaries:  # browsers take it for sRGB's curve only if it stands alone
        return picture.convert("RGB")
    curve = [round(255 * _srgb_of((value / 255) ** (1 / gamma))) for value in range(256)]
    return picture.convert("RGB").point(curve * 3)


def _srgb_of(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
