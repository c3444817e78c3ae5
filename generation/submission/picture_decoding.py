"""Decodes a JPEG, PNG or WebP within bounds of memory. Runs in the sandbox (``picture_sandbox``), without Django."""

from __future__ import annotations

from math import ceil
from typing import IO, Any, Final

from PIL import Image, ImageOps

from catalog.sizes import Size, in_words
from generation.submission import jpeg, picture_colours, png_colours

LEAST_SIDE: Final = 16
LONGEST_SIDE: Final = 2048
MAX_PIXELS: Final = (2 * LONGEST_SIDE) ** 2
"""That are decoded. A JPEG of a large sensor is drafted: an eighth of each side may be all that is. One too small for
that has less than twice the longest side.
"""
MAX_DRAFTED_PIXELS: Final = 205_000_000
FORMATS: Final = ("JPEG", "PNG", "WEBP")

Image.MAX_IMAGE_PIXELS = None  # ``check_size`` knows better what a picture takes


class WrongSize(ValueError):
    """The picture has too many pixels to be decoded here, or too few. The message says how many."""

    def __init__(self, name: str, width: int, height: int, next_step: str) -> None:
        super().__init__(f"The {name} is {in_words(Size(width, height))} pixels.")
        self.name, self.width, self.height, self.next_step = name, width, height, next_step


def decode(file: IO[Any]) -> Image.Image:
    """Return the picture in RGB, upright, at most ``LONGEST_SIDE`` pixels long. Never holds more than the picture as it
    came and one copy.

    Raises:
        WrongSize: it has too many pixels, or too few. Nothing is decoded.
        OSError, SyntaxError, ValueError: it is none that can be read.
    """
    code_points = png_colours.code_points_of(file)
    with Image.open(file, formats=FORMATS) as sent:
        name = sent.format or "picture"
        factor = min(1.0, LONGEST_SIDE / max(sent.size))
        is_one_pass = sent.format == "JPEG" and jpeg.has_one_scan(file)
        check_size(name, *sent.size, MAX_DRAFTED_PIXELS if is_one_pass else MAX_PIXELS)
        if getattr(sent, "default_image", False):
            sent.seek(1)  # the first picture of an animated PNG, before which lies one for who shows no animation
        if sent.format == "JPEG":
            sent.draft(None, (ceil(sent.width * factor), ceil(sent.height * factor)))
            check_size(name, *sent.size, MAX_PIXELS)
        small = picture_colours.eight_bits(sent)
        if code_points is not None:  # which go before whatever else a PNG says of its colours
            small.info |= {"icc_profile": png_colours.profile_by_code_points(code_points), "srgb": 0}
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        return picture_colours.as_shown(_upright(small))


def _upright(picture: Image.Image) -> Image.Image:
    """The picture as its EXIF turns it. EXIF that is none says nothing of that, as to a browser."""
    try:
        return ImageOps.exif_transpose(picture)
    except SyntaxError:
        del picture.info["exif"]
        return picture


def check_size(name: str, width: int, height: int, most: int) -> None:
    """Refuse a picture, called ``name``, of more than ``most`` pixels, or too small to be one.

    Raises:
        WrongSize: naming the size and the next step.
    """
    if width * height > most:
        otherwise = ", or save it without 'progressive'." if name == "JPEG" else ", or as a JPEG."
        next_step = f"Use one with at most {most // 10**6} megapixels"
        raise WrongSize(name, width, height, f"{next_step}{'.' if most > MAX_PIXELS else otherwise}")
    if min(width, height) < LEAST_SIDE:
        raise WrongSize(name, width, height, f"Use one with sides of at least {LEAST_SIDE} pixels.")
