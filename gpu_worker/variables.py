"""How environment variables are read, each with the words that refuse a value that cannot work."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environs import Env, ValidationError, validate


class MappingEnv(Env):
    """Reads variables from a mapping, where environs reads ``os.environ`` alone; an empty one counts as not set.

    The address of Valkey holds a password and reaches the worker process over standard input, so that none of its
    children inherits it. The method is the one that environs' own ``FileAwareEnv`` overrides.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(eager=True)
        self._variables = environment

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._variables.get(env_key, "").strip() or default


Reader = Callable[[Env, str, str], Any]
"""Reads a variable: the environment, its name, the text that stands for it where it is not set."""


def text(*validators: Callable[[str], Any]) -> Reader:
    """Return a reader of text that passes ``validators``."""
    return lambda env, name, default: env.str(name, default, validate=validators)


def one_of(*choices: str) -> Reader:
    """Return a reader of one of ``choices``."""
    return text(validate.OneOf(choices, error=f"write {', '.join(choices[:-1])} or {choices[-1]}"))


def whole_number(least: int, most: int) -> Reader:
    """Return a reader of a whole number within both bounds."""
    error = f"write a whole number from {least} to {most}"
    messages = {"invalid": error, "too_large": error}
    in_range = validate.Range(least, most, error=error)
    return lambda env, name, default: env.int(name, int(default), validate=in_range, error_messages=messages)


def card_numbers(env: Env, name: str, default: str) -> tuple[int, ...]:
    """Read the numbers of several cards of a host, the first of which is the worker's own; none where there is one."""
    listed = env.str(name, default, validate=_may_be_cards)
    return tuple(int(card) for card in listed.split(",")) if listed else ()


def _may_be_cards(listed: str) -> None:
    cards = listed.split(",")
    if listed and not (len(set(cards)) == len(cards) > 1 and all(re.fullmatch("[0-9]{1,2}", card) for card in cards)):
        raise ValidationError("write two or more different numbers, as in 0,1,2,3")


def number(least: float, most: float) -> Reader:
    """Return a reader of a finite number within both bounds."""
    error = f"write a number from {least:g} to {most:g}"
    messages = {"invalid": error, "too_large": error, "special": error}
    in_range = validate.Range(least, most, error=error)
    return lambda env, name, default: env.float(name, float(default), validate=in_range, error_messages=messages)


def folder(env: Env, name: str, default: str) -> Path:
    """Read the absolute path of a folder, which need not be there yet."""
    path: Path = env.path(name, Path(default), validate=_may_be_folder)
    return path.expanduser().absolute()


def _may_be_folder(path: Path) -> None:
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValidationError("after ~ comes / or a user of this machine") from None
    if path.exists() and not path.is_dir():
        raise ValidationError("name a folder, this is a file")


def file(env: Env, name: str, default: str) -> Path:
    """Read the absolute path of a file, which need not be there yet."""
    path: Path = env.path(name, Path(default))
    return path.expanduser().absolute()


def file_if_any(env: Env, name: str, default: str) -> Path | None:
    """Read the absolute path of a file; None where none is named."""
    return file(env, name, default) if env.str(name, default).strip() else None


def listening_address(env: Env, name: str, default: str) -> tuple[str, int] | None:
    """Read the host and port to listen on; None where neither is set."""
    host, _, port = env.str(name, default, validate=_may_be_listening_address).rpartition(":")
    return (host.strip("[]"), int(port)) if host else None


def _may_be_listening_address(raw: str) -> None:
    port = re.fullmatch(r".+:([0-9]{1,5})", raw)
    if raw and not (port and 0 < int(port[1]) < 65_536):
        raise ValidationError("write host:port, for example 127.0.0.1:9109")


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how it is read, and its line in the README."""

    name: str
    default: str
    read: Reader
    meaning: str
