"""What the columns of a version take: the right types, within the database's limits, whoever wrote the values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Field, FloatField, IntegerField, JSONField

from catalog.models import ModelVersion
from gpu_worker.families.numbers import MOST, number_in, number_problem, show_number

Problem = tuple[str, str]

_OWN = {"id", "model", "number", "created_at", "created_by", "note", "build"}
FIELDS: tuple[str, ...] = tuple(f.name for f in ModelVersion._meta.fields if f.name not in _OWN)
"""What a version consists of: the part that staff edit, compare and bring back."""


def problems(version: ModelVersion) -> Iterator[Problem]:
    """Yield what no column takes, by field, converting values to their columns' types where that loses nothing."""
    for name in FIELDS:
        field: Any = ModelVersion._meta.get_field(name)
        value = getattr(version, name)
        if isinstance(field, ArrayField):
            longest: int = field.base_field.max_length or 0
            if not isinstance(value, list) or not all(isinstance(x, str) and len(x) <= longest for x in value):
                yield name, f"Write a list of words of at most {longest} characters."
        elif isinstance(field, JSONField):
            yield from ((name, problem) for problem in _document_problems(value))
        elif isinstance(value, str) and "\x00" in value:
            yield name, "NUL characters cannot be stored."
        else:
            try:
                setattr(version, name, _cleaned(field, value, version))
            except ValidationError as error:
                yield from ((name, message) for message in error.messages)


def _cleaned(field: Field[Any, Any], value: Any, version: ModelVersion) -> Any:
    if value is None or not isinstance(field, IntegerField | FloatField):
        return field.clean(value, version)
    number = number_in(value)
    is_whole = isinstance(field, IntegerField)
    most = connection.ops.integer_field_range(field.get_internal_type())[1] if is_whole else MOST
    if problem := number_problem(number, least=0, most=most, is_whole=is_whole):  # none of them counts below nothing
        raise ValidationError(problem[0].upper() + problem[1:])
    return int(number) if is_whole else float(number) + 0.0  # so that there is no negative zero


def _document_problems(value: Any) -> Iterator[str]:
    """What of a document a JSON column cannot give back as it was."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        yield f"Only words, numbers, lists and mappings: {error}."
        return
    if "\\u0000" in text:
        yield "NUL characters cannot be stored."
    yield from _unlike(value)


def _unlike(value: Any, at: str = "") -> Iterator[str]:
    """Names that are no words (YAML reads 480, on and no as something else) and numbers beyond what is exact."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                yield f"{at}{show_number(name)} is read as a number or as true or false: write it in quotes."
            yield from _unlike(item, f"{at}{str(name)[:40]}, ")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from _unlike(item, f"{at}{number}, ")
    elif isinstance(value, int | float) and not isinstance(value, bool) and (problem := number_problem(value)):
        yield f"{at.removesuffix(', ')}: {problem}" if at else problem[0].upper() + problem[1:]
