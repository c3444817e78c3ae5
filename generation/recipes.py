"""A clip's recipe: all that it takes to make it again, as JSON that people keep, change and send back.

It is a file of its own, and a box behind those of the MP4 that somebody downloads, where no player looks.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import IO, Any, Final, Self
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.requests import MAX_SEED
from generation.models import Generation
from loremotion.refusals import Invalid

FORMAT: Final = "loremotion-recipe-1"
MOST_BYTES: Final = 256 * 1024
_BOX: Final = struct.Struct(">I4s16s")
_BOX_TYPES: Final = (b"free", b"uuid")
"""The first is what Content Credentials allow behind a signed file; the second is what an earlier release wrote."""
_BOX_KIND: Final = UUID("6c6f7265-6d6f-7469-6f6e-726563697065").bytes
"""Of the box: ``loremotion`` and ``recipe`` in ASCII, as an id."""
_MOST_BOXES: Final = 1_000
_NEXT_STEP: Final = gettext_lazy("Choose a clip's MP4 as you downloaded it here, or its recipe as JSON.")
_SIZE: Final = re.compile(r"[0-9]{2,5}x[0-9]{2,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What was asked for, by the names that the API has for it, and what a clip began with, by role."""

    model: str
    prompt: str
    negative_prompt: str = ""
    mode: str = ""
    preset: str = ""
    size: str = ""
    seconds: float = 0.0
    steps: int = 0
    seed: int | None = None
    model_version: int = 0
    begins_with: tuple[str, ...] = ()

    @classmethod
    def of(cls, clip: Generation) -> Self:
        return cls(
            model=clip.version.model.slug,
            prompt=clip.prompt,
            negative_prompt=clip.negative_prompt,
            mode=clip.mode,
            preset=clip.preset,
            size=f"{clip.delivered_width}x{clip.delivered_height}",
            seconds=round(clip.seconds, 3),
            steps=clip.steps,
            seed=clip.seed,
            model_version=clip.version.number,
            begins_with=tuple(sorted(clip.inputs)),
        )

    @classmethod
    def read(cls, content: bytes) -> Self:
        """The recipe in a file that somebody sent.

        Raises:
            Invalid: it is none, or has fields that no recipe has; names them.
        """
        said = _object_in(content)
        if said.pop("format", None) != FORMAT:
            raise Invalid(
                "not_a_recipe",
                _("This file does not say that its format is %(format)s.") % {"format": FORMAT},
                next_step=str(_NEXT_STEP),
            )
        unknown = sorted(set(said) - {field.name for field in fields(cls)})
        if unknown:
            names = ", ".join(repr(name[:60].encode(errors="backslashreplace").decode()) for name in unknown[:10])
            raise Invalid(
                "unknown_field",
                _("No recipe has these fields: %(names)s.") % {"names": names},
                next_step=_("Take them out."),
            )
        for name in ("model", "prompt"):
            if not said.get(name):
                raise Invalid(
                    "missing_field", _("The recipe has no %(name)s.") % {"name": name}, next_step=str(_NEXT_STEP)
                )
        for name, value in said.items():
            if not _is_sound(name, value):
                raise Invalid(
                    "invalid_field",
                    _("The recipe's %(name)s is not what a recipe has there.") % {"name": name},
                    next_step=str(_NEXT_STEP),
                )
        return cls(**{**said, "begins_with": tuple(said.get("begins_with", ()))})

    @classmethod
    def read_file(cls, file: IO[bytes]) -> Self:
        """The recipe that a JSON file is, or that an MP4 holds.

        Raises:
            Invalid: as ``read``, or the MP4 holds none.
        """
        if file.read(8)[4:] == b"ftyp":
            return cls.read(_box_in(file))
        file.seek(0)
        content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise Invalid("not_a_recipe", _("This file is too large for a recipe."), next_step=str(_NEXT_STEP))
        return cls.read(content)

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    def to_box(self) -> bytes:
        """What stands behind the last box of an MP4, and moves nothing in it."""
        content = self.to_json().encode()
        return _BOX.pack(_BOX.size + len(content), _BOX_TYPES[0], _BOX_KIND) + content


def _box_in(file: IO[bytes]) -> bytes:
    """The content of the recipe's box of an MP4.

    Raises:
        Invalid: it has none.
    """
    if (found := find_box(file)) is None:
        raise Invalid(
            "not_a_recipe",
            _("This video has no recipe; another program may have removed it."),
            next_step=_("Choose the MP4 as you downloaded it here, or its recipe as JSON."),
        )
    place, size = found
    file.seek(place + _BOX.size)
    return file.read(size - _BOX.size)


def find_box(file: IO[bytes]) -> tuple[int, int] | None:
    """Where the recipe's box of an MP4 begins and how many bytes it has. Reads the heads of the others alone."""
    place, end = 0, file.seek(0, os.SEEK_END)
    for _box in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(_BOX.size)
        if len(head) < 8:
            break
        size = int.from_bytes(head[:4])
        if head[4:8] in _BOX_TYPES and head[8:] == _BOX_KIND and _BOX.size <= size <= _BOX.size + MOST_BYTES:
            return place, size
        size = int.from_bytes(head[8:16]) if size == 1 else size
        if size < 8:  # 0: it goes on to the end
            break
        place += size
        if place >= end:
            break
    return None


def _object_in(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # also what is no UTF-8
        said = None
    if not isinstance(said, dict):
        raise Invalid("not_a_recipe", _("This file holds no JSON object."), next_step=str(_NEXT_STEP))
    return said


def _is_sound(name: str, value: Any) -> bool:
    if name in ("model", "prompt", "negative_prompt", "mode", "preset"):
        return _is_text(value)
    if name == "size":
        return isinstance(value, str) and (not value or _SIZE.fullmatch(value) is not None)
    if name == "begins_with":
        return isinstance(value, list) and all(_is_text(role) for role in value)
    if name == "seed" and value is None:
        return True
    numbers: Mapping[str, tuple[type, float]] = {"seconds": (float, 3600), "seed": (int, MAX_SEED)}
    kind, most = numbers.get(name, (int, 10**6))
    is_number = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= most


def _is_text(value: Any) -> bool:
    """Whether a page can show it and a row keep it: JSON may name half of a surrogate pair, which is no character."""
    if not isinstance(value, str) or "\x00" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
