"""Pages whose every translated word stands in «quotes»: what stands outside was never marked for translation."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from django.utils.safestring import SafeData, mark_safe
from django.utils.translation import trans_real

BEGIN, END = "«", "»"
WITHOUT_WORDS: Final = frozenset({"script", "style", "code", "pre", "kbd", "svg", "q"})
VOID: Final = frozenset({"meta", "link", "input", "br", "img", "hr", "source", "wbr"})
READ: Final = ("title", "aria-label", "placeholder", "alt", "data-label")


def mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything that is translated from now on stand between ``BEGIN`` and ``END``."""
    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        monkeypatch.setattr(f"django.utils.translation._trans.{name}", _marking(getattr(trans_real, name)))


def _marking(translate: Callable[..., str]) -> Callable[..., str]:
    def marked(*words: Any) -> str:
        said = translate(*words)
        if not said.strip() or BEGIN in said:
            return said
        both = f"{BEGIN}{said}{END}"
        return mark_safe(both) if isinstance(said, SafeData) else both  # noqa: S308 - as safe as it was

    return marked


class Page(HTMLParser):
    """Finds what a reader reads on a page: its texts and those attributes that are read out, each without what is
    marked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.unmarked: list[str] = []
        self._without_words = 0
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in READ and value:
                before, self._depth = self._depth, 0
                self._note(value)
                self._depth = before
        self._without_words += tag in WITHOUT_WORDS

    def handle_endtag(self, tag: str) -> None:
        self._without_words -= tag in WITHOUT_WORDS

    def handle_data(self, data: str) -> None:
        self._note(data)

    def _note(self, text: str) -> None:
        outside = ""
        for character in text:
            if character == BEGIN:
                self._depth += 1
            elif character == END:
                self._depth -= 1
            elif not self._depth:
                outside += character
        if not self._without_words and any(character.isalpha() for character in outside):
            self.unmarked.append(" ".join(outside.split()))
