"""What stands behind the ? of an address under ``/v1``: what nobody would read is refused by name, never left out."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from django.http import QueryDict

from loremotion.refusals import Invalid

NONE: Final[frozenset[str]] = frozenset()
PAGE: Final = frozenset({"after", "limit", "order"})
"""Of a list that comes in pages."""
UNREADABLE: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands in a text where bytes are not of its encoding, in an address as in a form."""


def refuse_unknown(sent: QueryDict, known: Collection[str]) -> None:
    """Refuse a parameter that is not ``known``, comes twice or can't be read: who deletes what a filter finds would
    delete all.

    Raises:
        Invalid: names the parameter.
    """
    for name, values in sent.lists():
        shown = printable(name)
        if name not in known:
            raise Invalid(
                "unknown_parameter",
                f"There is no parameter {shown!r} here.",
                next_step=_instead_of(name, known),
                field=shown,
            )
        if len(values) > 1:
            raise Invalid("repeated_parameter", f"{name} came more than once.", next_step="Send it once.", field=name)
        refuse_unreadable(name, values)


def refuse_unreadable(name: str, values: Collection[object]) -> None:
    """Refuse a text that is not UTF-8, of which Django would leave a part out.

    Raises:
        Invalid: names what it was sent as.
    """
    if any(isinstance(value, str) and UNREADABLE in value for value in values):
        shown = printable(name)
        words = f"The text of {shown} is not UTF-8."
        raise Invalid("invalid_encoding", words, next_step="Send it in UTF-8, or as JSON.", field=shown)


def printable(name: str) -> str:
    """Its beginning as UTF-8 can say it: JSON may name half a character."""
    return name[:60].encode(errors="backslashreplace").decode()


def _instead_of(name: str, known: Collection[str]) -> str:
    near = next(iter(get_close_matches(name.lower(), known, n=1)), "")
    if near:
        return f"Did you mean {near!r}?"
    return f"There are: {', '.join(sorted(known))}." if known else "Leave it out."
