"""Checks a request's parameters against the types that the installed stripe-python publishes for it."""

from __future__ import annotations

import importlib
import re
import types
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import parse_qsl

import stripe._request_options
import typing_extensions

from tests.fake_stripe.errors import StripeRefused

_OPTIONS = frozenset(stripe._request_options.RequestOptions.__annotations__)
_KNOWN_HINTS: dict[type[Any], dict[str, Any]] = {}


def parse_form(body: str) -> dict[str, Any]:
    """``a[b][0]=c`` as nested dictionaries and lists."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        *path, last = re.findall(r"[^\[\]]+", name)
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        if name.endswith("[]"):
            branch[last] = {**branch.get(last, {}), str(len(branch.get(last, {}))): value}
        else:
            branch[last] = value
    return {name: _with_lists(value) for name, value in tree.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _with_lists(inner) for key, inner in value.items()}


def checked(kind: type[Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """``parameters`` with integers and booleans as such.

    Args:
        kind: a TypedDict out of ``stripe.params``.

    Raises:
        StripeRefused: the first parameter that is unknown, missing or of another type, with Stripe's words for it.
    """
    return _object(kind, parameters, "")


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind in _KNOWN_HINTS:
        return _KNOWN_HINTS[kind]
    names: dict[str, Any] = {}
    for module in ("typing", "typing_extensions", "stripe._request_options", "stripe._stripe_context", kind.__module__):
        names |= vars(importlib.import_module(module))
    hints = typing_extensions.get_type_hints(kind, names, include_extras=True)
    _KNOWN_HINTS[kind] = {name: hint for name, hint in hints.items() if name not in _OPTIONS}
    return _KNOWN_HINTS[kind]


def _object(kind: type[Any], value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StripeRefused(f"Invalid object: {path}", parameter=path)
    hints = _hints(kind)
    for name in value:
        if name not in hints:
            unknown = _join(path, name)
            raise StripeRefused(f"Received unknown parameter: {unknown}", parameter=unknown, code="parameter_unknown")
    for name in sorted(getattr(kind, "__required_keys__", ())):
        if name not in value and name in hints:
            missing = _join(path, name)
            raise StripeRefused(f"Missing required param: {missing}.", parameter=missing, code="parameter_missing")
    return {name: _value(hints[name], inner, _join(path, name)) for name, inner in value.items()}


def _value(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in (typing_extensions.NotRequired, typing_extensions.Required):
        return _value(get_args(kind)[0], value, path)
    if origin in (Union, types.UnionType):
        return _any_of(get_args(kind), value, path)
    if origin is Literal:
        if value not in get_args(kind):
            raise StripeRefused(f"Invalid {path}: must be one of {', '.join(map(str, get_args(kind)))}", parameter=path)
        return value
    if origin is list:
        if not isinstance(value, list):
            raise StripeRefused(f"Invalid array: {path}", parameter=path)
        return [_value(get_args(kind)[0], inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise StripeRefused(f"Invalid object: {path}", parameter=path)
        return {name: _value(get_args(kind)[1], inner, _join(path, name)) for name, inner in value.items()}
    if typing_extensions.is_typeddict(kind):
        return _object(kind, value, path)
    return _scalar(kind, value, path)


def _any_of(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    # The library widens enums to "or any string", for values that come later. Stripe itself is not so kind.
    is_enum = any(get_origin(kind) is Literal and set(get_args(kind)) != {""} for kind in kinds)
    problems = []
    for kind in kinds:
        if is_enum and kind is str:
            continue
        try:
            return _value(kind, value, path)
        except StripeRefused as problem:
            problems.append(problem)
    raise problems[0]


def _scalar(kind: Any, value: Any, path: str) -> Any:
    if kind is bool and value in ("true", "false"):
        return value == "true"
    if kind is int and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind is float and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if kind in (bool, int, float):
        raise StripeRefused(f"Invalid {kind.__name__}: {value}", parameter=path)
    if kind is str and not isinstance(value, str):
        raise StripeRefused(f"Invalid string: {path}", parameter=path)
    return value


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
