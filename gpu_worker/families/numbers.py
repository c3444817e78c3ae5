"""What may stand where a catalogue row wants a number.

YAML and JSON call much a number that is none to calculate with: infinity, NaN, whole numbers of any length, and the
words that they read as true.
"""

from __future__ import annotations

from typing import Any

MOST = 10**15
"""No number of a row is further from nothing: up to here a float keeps its whole numbers, and so does PostgreSQL."""


def number_problem(value: Any, *, least: float = -MOST, most: float = MOST, is_whole: bool = False) -> str | None:
    """The reason why ``value`` is no number from ``least`` to ``most``, with what would be right; None where it is."""
    is_number = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
    if is_number and least <= value <= most:  # which neither infinity nor NaN is
        return None
    kind = "a whole number" if is_whole else "a number"
    return f"write {kind}{_range(least, most)}; this is {show_number(value)}."


def number_in(value: Any) -> Any:
    """The number that a value says: digits between quotes are one too, and 30.0 is a whole one. Else the value."""
    for kind in (int, float) if isinstance(value, str) else ():
        try:
            value = kind(value)
            break
        except ValueError:
            continue
    return int(value) if isinstance(value, float) and value.is_integer() else value


def numbers_problem(values: Any) -> str | None:
    """The reason why ``values`` is no list of numbers; None where it is."""
    if not isinstance(values, list) or not values:
        return f"write a list of numbers; this is {show_number(values)}."
    return next(filter(None, map(number_problem, values)), None)


def _range(least: float, most: float) -> str:
    if most >= MOST:
        return "" if least <= -MOST else f" of at least {_plain(least)}"
    return f" from {_plain(least)} to {_plain(most)}"


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def show_number(value: Any) -> str:
    """``value`` in few characters, as the file says it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")
    if isinstance(value, int) and abs(value) >= MOST * 10:
        return f"a number of about {int(value.bit_length() * 0.30103) + 1} digits"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return "nothing" if value is None else repr(value if not isinstance(value, str) else value[:40])
