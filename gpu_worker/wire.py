"""Messages as plain JSON and back.

A message is a frozen dataclass on ``Wire``. Unknown keys are ignored and fields have defaults, so that either side can
be upgraded first; a value of another type than its field's is refused by name.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from enum import StrEnum
from typing import Any, Self

_LEAST_INT, _MOST_INT = -(2**63), 2**63 - 1  # what databases and their like count with


class Wire:
    """A message: JSON in and out for a frozen dataclass."""

    def to_wire(self) -> dict[str, Any]:
        """Plain JSON types only (dict, list, str, int, float, bool, None)."""
        return typing.cast(dict[str, Any], _plain(dataclasses.asdict(typing.cast(Any, self))))

    @classmethod
    def from_wire(cls, data: typing.Mapping[str, Any]) -> Self:
        """Rebuild from ``to_wire``'s output.

        Raises:
            KeyError: a field without a default is missing; the message names it.
            TypeError, ValueError: a value is not of its field's type, or not a number that can be counted with.
        """
        if not isinstance(data, dict):
            raise TypeError(f"{cls.__name__} is an object, not {type(data).__name__}")
        hints = _hints(typing.cast(Any, cls))
        values: dict[str, Any] = {}
        for f in dataclasses.fields(typing.cast(Any, cls)):
            if f.name in data:
                values[f.name] = _typed(hints[f.name], data[f.name], f"{cls.__name__}.{f.name}")
            elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise KeyError(f"{cls.__name__}.{f.name} is missing from the message")
        return cls(**values)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _typed(hint: Any, value: Any, place: str) -> Any:
    """Turn JSON back into the nested dataclasses, tuples, enums and plain values that ``hint`` names."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is types.UnionType or origin is typing.Union:
        return None if value is None else _typed(next(a for a in args if a is not types.NoneType), value, place)
    if origin is dict and isinstance(value, dict):
        return {k: _typed(args[1], v, f"{place}[{k}]") for k, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(args[0], v, place) for v in value)
    if isinstance(hint, type) and issubclass(hint, Wire):
        return hint.from_wire(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return _plain_value(hint, value, place)


def _plain_value(hint: Any, value: Any, place: str) -> Any:
    if hint is float and type(value) is int:
        hint, value = float, _as_float(value, place)
    if type(value) is not hint:
        raise TypeError(f"{place} is not {getattr(hint, '__name__', hint)} but {type(value).__name__}")
    is_countable = math.isfinite(value) if hint is float else hint is not int or _LEAST_INT <= value <= _MOST_INT
    if not is_countable:
        raise ValueError(f"{place} is out of range")
    return value


def _as_float(value: int, place: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{place} is out of range") from None
