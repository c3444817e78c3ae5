"""What a clip starts from: pictures that somebody sends, re-encoded before anything else sees them, and own clips."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from PIL import Image, ImageOps

from accounts.tenancy import Caller
from generation import files
from generation.models import Clip, Generation
from loremotion.refusals import Invalid

MAX_PICTURES: Final = 6
MAX_PICTURE_BYTES: Final = 20 * 1024**2
MAX_PICTURE_PIXELS: Final = 40_000_000
LONGEST_SIDE: Final = 2048
FORMATS: Final = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that a clip starts from. ``content`` is what is still to be stored; an own clip is stored already."""

    role: str
    key: str
    content: bytes | None = None


def picture(role: str, file: UploadedFile[Any]) -> Input:
    """A picture as PNG: upright, at most 2048 pixels long, without whatever else the file carried.

    Raises:
        Invalid: too large, or no picture that can be read.
    """
    if (file.size or 0) > MAX_PICTURE_BYTES:
        raise _refuse(role, f"The picture has {(file.size or 0) / 1e6:.0f} MB.", "Send one of at most 20 MB.")
    try:
        with Image.open(file, formats=FORMATS) as sent:
            if sent.width * sent.height > MAX_PICTURE_PIXELS:
                raise _refuse(role, f"The picture has {sent.width}x{sent.height} pixels.", "Send a smaller one.")
            upright = ImageOps.exif_transpose(sent).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise _refuse(role, "This file is no picture that can be read.", "Send a JPEG, PNG or WebP.") from None
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    upright.save(encoded, "PNG")
    return Input(role, f"{files.INPUTS}{uuid.uuid4()}/{role}.png", encoded.getvalue())


def own_clip(role: str, generation_id: str, caller: Caller) -> Input:
    """A finished clip that the caller sees, to continue or to change.

    Raises:
        Invalid: there is none of that id, or it is not theirs.
    """
    try:
        clip = Clip.objects.get(generation__in=Generation.objects.seen_by(caller).filter(id=uuid.UUID(generation_id)))
    except (Clip.DoesNotExist, ValueError):
        raise _refuse(role, "There is no such finished clip of yours.", "Give the id of a clip that is done.") from None
    return Input(role, clip.key)


def keys(inputs: Iterable[Input]) -> dict[str, str]:
    """Role → storage key, as a request names them."""
    return {given.role: given.key for given in inputs}


def pictures(files: Mapping[str, UploadedFile[Any]]) -> list[Input]:
    """Every uploaded picture by the role that its field names. ``input_reference`` is OpenAI's word for ``image``.

    Raises:
        Invalid: too many, or one that ``picture`` refuses.
    """
    if len(files) > MAX_PICTURES:
        raise Invalid("too_many_files", f"{len(files)} files came.", next_step=f"Send at most {MAX_PICTURES}.")
    return [picture("image" if name == "input_reference" else name, file) for name, file in files.items()]


@contextmanager
def stored(inputs: Iterable[Input]) -> Iterator[None]:
    """Store what is new for the request that is made in the block; a request that is refused leaves no file."""
    new = [given for given in inputs if given.content is not None]
    for given in new:
        default_storage.save(given.key, ContentFile(given.content or b""))
    try:
        yield
    except BaseException:
        for given in new:
            default_storage.delete(given.key)
        raise


def _refuse(role: str, message: str, next_step: str) -> Invalid:
    return Invalid(f"invalid_{role}", message, next_step=next_step, field=role)
