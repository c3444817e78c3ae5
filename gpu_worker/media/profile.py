"""Brings pictures with an ICC profile to sRGB."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageCms

_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_MODES: Final = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}
"""The colours that a profile is for, and the mode of pictures with such."""


def by_profile(picture: Image.Image, content: bytes) -> Image.Image | None:
    """The picture in sRGB, or None where the profile is damaged or not for such colours."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = _MODES.get(profile.profile.xcolor_space)
        if mode == "RGB" and picture.mode in ("L", "YCbCr"):
            picture = picture.convert("RGB")
        if picture.mode != mode:
            return None
        return ImageCms.profileToProfile(picture, profile, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
