"""Why a field of a body is refused: its name, the cause and the next step. DRF's own words say none of the three."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import serializers

from loremotion.refusals import Invalid

_WANTED: Final[tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], str, str], ...]] = (
    (serializers.BooleanField, "true or false", "Send true or false."),
    (serializers.IntegerField, "a whole number", "Send one, such as 5."),
    (serializers.FloatField, "a number", "Send one, such as 5."),
    (serializers.CharField, "text", "Send it as text."),
    (serializers.ListField, "a list", 'Send one, such as ["a", "b"].'),
    (serializers.FileField, "a file", "Send the file itself, in multipart/form-data."),
)
"""What each kind of field takes, and how to send it."""
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "required": ("is missing.", "{how}"),
    "null": ("is null.", "{how}{or_none}"),
    "blank": ("is empty.", "Fill it in.{or_none}"),
    "empty": ("is empty.", "Fill it in.{or_none}"),
    "invalid": ("is not {wanted}.", "{how}"),
    "not_a_list": ("is not {wanted}.", "{how}"),
    "min_value": ("is less than {min_value}.", "Send {min_value} or more."),
    "max_value": ("is more than {max_value}.", "Send {max_value} or less."),
    "max_length": ("has more than {max_length} {unit}.", "Shorten it."),
    "max_string_length": ("has too many digits.", "Send a smaller number."),
    "overflow": ("has too many digits.", "Send a smaller number."),
    "null_characters_not_allowed": ("has a NUL character in it.", "Leave it out."),
    "surrogate_characters_not_allowed": ("has half a character in it (a lone surrogate).", "Send it in UTF-8."),
}
"""By DRF's code: what stands behind the field's name, and the next step."""


def refusal_of(name: str, field: serializers.Field[Any, Any, Any, Any], problems: Any) -> Invalid:
    """The refusal of what was sent as ``name``, of which DRF found ``problems``: of several, the first.

    Where a check of our own said what is wrong, its words stand.
    """
    shown = name
    while isinstance(problems, (list, Mapping)):
        if isinstance(problems, Mapping):
            place, problems = next(iter(problems.items()))
            shown, field = f"{shown}[{place}]", getattr(field, "child", field)
        else:
            problems = problems[0]
    cause, next_step = _words(field, str(problems.code))
    words = f"{shown} {cause}" if cause else f"{shown}: {problems}"
    return Invalid(f"invalid_{name}", words, next_step=next_step, field=name)


def _words(field: serializers.Field[Any, Any, Any, Any], code: str) -> tuple[str, str]:
    """What stands behind the field's name, and the next step; both empty of what only a check of our own finds."""
    cause, next_step = _WORDS.get(code, ("", ""))
    wanted, how = next(((wanted, how) for kind, wanted, how in _WANTED if isinstance(field, kind)), ("", ""))
    figures = {name: getattr(field, name, "") for name in ("min_value", "max_value", "max_length")}
    figures |= {"wanted": wanted, "how": how, "or_none": "" if field.required else " Or leave it out."}
    figures["unit"] = "entries" if isinstance(field, serializers.ListField) else "characters"
    return cause.format(**figures), next_step.format(**figures)
