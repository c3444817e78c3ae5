"""Sentences that are kept in English, or come so from GPU hosts, and are read in every language.

A row, a stream and a file say the same to each of their readers, whatever language whoever caused it has; so they hold
plain English, made from a pattern that is marked for translation. Whoever shows it finds the pattern again, and says it
in the language in use. What no pattern made is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext

_PLACE: Final = re.compile(r"%\((\w+)\)s")
QUOTED: Final = "quoted"
_NUMBER: Final = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?")


class StoredWords:
    """The patterns of some kept sentences, each with named places such as ``%(steps)s``: of several that fit the
    earlier one counts. One text may be made of several sentences, with a space between.

    A place named ``quoted`` at a pattern's end takes all that follows: somebody else's words, in their language.
    """

    def __init__(self, *patterns: str, values: Mapping[str, Callable[[str], str]] | None = None) -> None:
        """
        Args:
            values: place → what says its value in the language in use, where that is words too.
        """
        self._values = values or {}
        self._readers = [(pattern, _reader_of(pattern)) for pattern in patterns]

    def say(self, text: str) -> str:
        """Return the kept ``text`` in the language in use."""
        if get_language() in (settings.LANGUAGE_CODE, None):
            return text
        return " ".join(self._sentences(text))

    def know(self, text: str) -> bool:
        """Whether every sentence of the kept ``text`` was made from one of the patterns."""
        while text:
            ends = (found.end() for _, reader in self._readers if (found := reader.match(text)) is not None)
            if (end := next(ends, None)) is None:
                return False
            text = text[end:].lstrip()
        return True

    def _sentences(self, text: str) -> Iterator[str]:
        while text:
            for pattern, reader in self._readers:
                if (found := reader.match(text)) is not None:
                    said = {place: self._value(place, value) for place, value in found.groupdict().items()}
                    yield gettext(pattern) % said
                    text = text[found.end() :].lstrip()
                    break
            else:
                yield text
                return

    def _value(self, place: str, value: str) -> str:
        return self._values.get(place, _in_format)(value)


def _reader_of(pattern: str) -> re.Pattern[str]:
    """What finds the pattern at the beginning of a text, whole or with another sentence behind it."""
    parts = [
        _any_value(part) if place % 2 else re.escape(part.replace("%%", "%"))
        for place, part in enumerate(_PLACE.split(pattern))
    ]
    return re.compile(f"{''.join(parts)}(?:\\Z|(?<=[.!?])(?= ))", re.DOTALL)


def _any_value(place: str) -> str:
    return f"(?P<{place}>.+{'' if place == QUOTED else '?'})"


def _in_format(value: str) -> str:
    """A number as the language in use writes it; anything else as it is."""
    if _NUMBER.fullmatch(value) is None:
        return value
    return number_format(value.replace(",", ""), use_l10n=True, force_grouping="," in value)
