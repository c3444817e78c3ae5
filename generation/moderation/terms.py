"""The terms of every language, as rules look them up."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from generation.moderation.text import Token, plainly

FOLDER: Final = Path(__file__).parent / "terms"
NAMES: Final = Path(__file__).parent / "names.txt"
PERSON: Final = "person"
_LEAST_STEM: Final = 3
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Term:
    """One term behind its first word: the words that must follow, and what it means if they do."""

    rest: tuple[str, ...]
    group: str
    language: str
    """Only in a text of this language; empty for any."""


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms, by the word that they begin with."""

    exact: dict[str, list[Term]]
    stems: dict[str, list[Term]]
    """By the letters that their first word begins with."""
    anywhere: dict[str, re.Pattern[str]]
    """By group, for languages without spaces."""
    common: dict[str, str]
    """Small words, with the one language that has them."""
    numbers: dict[str, int]
    """One to seventeen, in words."""

    def starting(self, spelling: str) -> Iterator[Term]:
        """Terms whose first word this is."""
        yield from self.exact.get(spelling, ())
        for end in range(_LEAST_STEM, len(spelling) + 1):
            yield from self.stems.get(spelling[:end], ())


def is_met(word: str, token: Token) -> bool:
    """Whether a word of a term, which may end in ``*``, is this token in one of its spellings."""
    if word.endswith("*"):
        return any(spelling.startswith(word[:-1]) for spelling in token.spellings)
    return word in token.spellings


@cache
def load() -> Terms:
    """Read the files, once a process."""
    exact: dict[str, list[Term]] = defaultdict(list)
    stems: dict[str, list[Term]] = defaultdict(list)
    anywhere: dict[str, list[str]] = defaultdict(list)
    common: dict[str, set[str]] = defaultdict(set)
    for group, language, term in _lines():
        if group == "common":
            common[plainly(term)].add(language)
            continue
        if _UNSPACED.search(term):
            anywhere[group].append(re.escape(plainly(term).replace(" ", "")))
            continue
        only_in = language if term.endswith("?") else ""
        first, *rest = plainly(term.removesuffix("?")).split()
        found = Term(tuple(rest), group, only_in)
        (stems if first.endswith("*") else exact)[first.removesuffix("*")].append(found)
    patterns = {group: re.compile("|".join(sorted(each, key=len, reverse=True))) for group, each in anywhere.items()}
    of_one = {word: next(iter(languages)) for word, languages in common.items() if len(languages) == 1}
    numbers = {
        plainly(word): value
        for group, _, words in _groups()
        if group == "numbers"
        for value, word in enumerate(words, 1)
        if " " not in word
    }
    return Terms(dict(exact), dict(stems), patterns, of_one, numbers)


def _lines() -> Iterator[tuple[str, str, str]]:
    for group, language, words in _groups():
        if group != "numbers":
            yield from ((group, language, word) for word in words)
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield from ((PERSON, "", name.strip()) for name in line.split(","))


def _groups() -> Iterator[tuple[str, str, list[str]]]:
    for file in sorted(FOLDER.glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            group, _, words = line.partition(":")
            yield group, file.stem, [word.strip() for word in words.split(",")]
