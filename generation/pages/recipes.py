"""A clip's recipe: all that it takes to make it again, as JSON that people keep, change and send back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from catalog.requests import MAX_SEED
from generation.models import Generation
from loremotion.refusals import Invalid

FORMAT: Final = "loremotion-recipe-1"
MOST_BYTES: Final = 256 * 1024
_NEXT_STEP: Final = "Choose a file that was downloaded as the recipe of a clip."
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
            raise Invalid("not_a_recipe", f"This file does not say that its format is {FORMAT}.", next_step=_NEXT_STEP)
        unknown = sorted(set(said) - {field.name for field in fields(cls)})
        if unknown:
            names = ", ".join(repr(name[:60].encode(errors="backslashreplace").decode()) for name in unknown[:10])
            raise Invalid("unknown_field", f"No recipe has these fields: {names}.", next_step="Take them out.")
        for name in ("model", "prompt"):
            if not said.get(name):
                raise Invalid("missing_field", f"The recipe has no {name}.", next_step=_NEXT_STEP)
        for name, value in said.items():
            if not _is_sound(name, value):
                raise Invalid(
                    "invalid_field", f"The recipe's {name} is not what a recipe has there.", next_step=_NEXT_STEP
                )
        return cls(**{**said, "begins_with": tuple(said.get("begins_with", ()))})

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def _object_in(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # also what is no UTF-8
        said = None
    if not isinstance(said, dict):
        raise Invalid("not_a_recipe", "This file holds no JSON object.", next_step=_NEXT_STEP)
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
