"""The number of a row, as an address or a form names it."""

from __future__ import annotations

_MOST_DIGITS = 18  # all of them fit into a bigint, and int() refuses thousands


def row_number(text: str | None) -> int | None:
    """The number that ``text`` writes in plain digits; None where it names no row that there can be."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return None
    return int(text)
