"""Byte counts as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_bytes(text: str) -> int:
    """``"6GiB"``, ``"512 MB"`` or ``"1048576"`` as a number of bytes.

    Raises:
        ValueError: the text is not a size; the message shows one that is.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"{text!r} is not a size; write for example 6GiB, 512MB or a number of bytes")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def show_bytes(size_bytes: float) -> str:
    """``"6.0 GiB"``: three significant figures at most, for messages."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
