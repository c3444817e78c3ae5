"""CSV line by line, as it is sent, and such that a spreadsheet runs nothing of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Final


class _Echo:
    """A file whose every write is handed back."""

    def write(self, text: str) -> str:
        return text


_WRITER: Final = csv.writer(_Echo())
_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The wide ones count as the others where people write with them."""


def csv_line(cells: Iterable[object]) -> str:
    """One line of CSV. Text that a spreadsheet would take for a formula gets an apostrophe; numbers stay numbers."""
    line: str = _WRITER.writerow([_inert(cell) if isinstance(cell, str) else cell for cell in cells])
    return line


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_STARTS) else text
