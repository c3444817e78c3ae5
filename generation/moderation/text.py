"""Undoes the ways in which words are disguised, so that rules may be written in plain words.

A token is one word in one plain spelling. A word that could be read in several ways (``1`` as ``i`` or ``l``) has
several spellings, and a rule is met when any of them is. Nothing here knows what the rules look for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

MOST_CHARACTERS: Final = 8_000
"""What is longer is refused elsewhere; of that, so much is read, so that no input takes long."""

_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_WORD: Final = re.compile(r"[^\W_]+(?:['’*@$!|+€£§][^\W_]+)*[@$!*]*|[@$][^\W_]+")
_LETTERS: Final = re.compile(r"[^\W\d_]")
_POSSESSIVE: Final = re.compile(r"['’]s?$|^[ld]['’]")
_PAUSE: Final = re.compile(r"[.,;:!?()\[\]\"“”„«»\n]")
_RUNS: Final = re.compile(r"(.)\1*")
_MOST_RUNS: Final = 4
_UNITS: Final = frozenset(
    "yo y yr yrs k p x d s h g m mm cm km kg ml hz th st nd rd am pm px mp ft mph kmh fps bit bits".split()  # noqa: SIM905
)
_LEAST_PIECE: Final = 4
_LONGEST_WORD: Final = 15
LONGEST_KEPT: Final = 24
"""Letters of the longest word of which is kept what was found out: few words are longer, and bytes are bounded."""
MOST_KEPT: Final = 4_000
"""Words of which that is kept: those of most prompts are few."""
_MOST_SPELLED_OUT: Final = 60
_UNSPACED: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af0-9]+(?:[\\s.,·・、。_*~\\-|/]*"
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af0-9]+)*"
)
_SEPARATORS: Final = re.compile(r"[\s.,·・、。_*~\-|/]+")

# Letters of other scripts that are drawn like Latin ones. Read as Latin only within words that mix both, since
# most Russian and Greek words are made of them too.
_CYRILLIC: Final = dict(zip("авсеԁһікӏмнорԛѕтуѵԝхјгпзё", "abcedhiklmhopqstyvwxjrnze", strict=True))
_GREEK: Final = dict(zip("αβεικνορτυχγηω", "abeikvoptuxynw", strict=True))
_LATIN_LIKE: Final = str.maketrans(
    {**_CYRILLIC, **_GREEK, "ı": "i", "ɑ": "a", "ɡ": "g", "ʟ": "l", "ɴ": "n", "ᴜ": "u", "ᴅ": "d", "ᴇ": "e", "ꜱ": "s"}
)
_BOXED: Final = {ord("🇦") + n: chr(ord("a") + n) for n in range(26)} | {
    start + n: chr(ord("a") + n) for start in (0x1F130, 0x1F150, 0x1F170) for n in range(26)
}
_READ_AS: Final = {
    **{"0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g"},
    **{"@": "a", "$": "s", "!": "i", "|": "li", "+": "t", "€": "e", "£": "l", "§": "s", "*": "aeiou"},
}
_MOST_SPELLINGS: Final = 24


@dataclass(frozen=True, slots=True)
class Token:
    """One word, as it was written and in every plain spelling of it."""

    written: str
    spellings: tuple[str, ...]
    follows_pause: bool = False
    """Whether a comma, a full stop or the like stands before it: no innocent phrase goes across one."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as rules read it."""

    tokens: tuple[Token, ...]
    unspaced: str
    """Every run of Chinese, Japanese and Korean, without what stands between their characters; a line for each."""


def read(text: str) -> Text:
    """Return the words of ``text`` in plain spellings."""
    plain = plainly(text[:MOST_CHARACTERS])
    tokens = tuple(_tokens(plain))
    return Text(tokens, "\n".join(_SEPARATORS.sub("", run) for run in _UNSPACED.findall(plain)))


def plainly(text: str) -> str:
    """Return ``text`` in lower case, without accents, invisible characters and other alphabets' fonts of it."""
    if text.isascii() and text.isprintable():
        return text.lower()
    text = unicodedata.normalize("NFKC", text.translate(_BOXED))
    text = "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Cc"} or c.isspace())
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))


def _tokens(plain: str) -> Iterator[Token]:
    """The words one by one; three or more letters that stand alone, all with the same between them, are one."""
    alone: list[tuple[str, str]] = []  # each letter with what stands before it
    end = 0
    for match in _WORD.finditer(plain):
        word, before = match[0], plain[end : match.start()]
        end = match.end()
        if len(word) > 1:
            if alone:
                yield from _spelled_out(alone)
                alone = []
            yield Token(word, _spellings(word), before != " " and bool(_PAUSE.search(before)))
            continue
        if len(alone) > 1 and before != alone[-1][1]:
            kept = 1 if len(alone) == 2 else 0  # what the second belongs to, the third tells
            yield from _spelled_out(alone[: len(alone) - kept])
            alone = alone[len(alone) - kept :]
        alone.append((word, before))
    yield from _spelled_out(alone)


def _spelled_out(alone: list[tuple[str, str]]) -> Iterator[Token]:
    letters = [letter for letter, _ in alone]
    pauses = [bool(_PAUSE.search(before)) for _, before in alone]
    if len(letters) < 3:
        for each, pause in zip(letters, pauses, strict=True):
            readings = dict.fromkeys((each, each.translate(_LATIN_LIKE), *_READ_AS.get(each, "")))
            yield Token(each, tuple(readings), pause)
        return
    # Many are read part by part, each with the end of the one before it: a word may lie across.
    for at in range(0, max(1, len(letters) - _LONGEST_WORD), _MOST_SPELLED_OUT - _LONGEST_WORD):
        yield _run_together(letters[at : at + _MOST_SPELLED_OUT], follows_pause=pauses[at])


def _run_together(letters: list[str], *, follows_pause: bool) -> Token:
    # Where one word ends and the next begins, nobody can see: it begins or ends with one, or, if it is long, has one.
    whole = "".join(letters).translate(_LATIN_LIKE)
    ends = range(_LEAST_PIECE, min(len(whole), _LONGEST_WORD))
    pieces = [*(whole[:n] for n in ends), *(whole[-n:] for n in ends)]
    if len(whole) > _LONGEST_WORD:
        pieces += [whole[a : a + n] for a in range(len(whole)) for n in ends]
    return Token(" ".join(letters), tuple(dict.fromkeys((*_spellings(whole), *pieces))), follows_pause)


def _spellings(word: str) -> tuple[str, ...]:
    return _spellings_of_short(word) if len(word) <= LONGEST_KEPT else _every_spelling(word)


def _every_spelling(word: str) -> tuple[str, ...]:
    found = {word: None}
    if not (word.isascii() and word.isalpha()):
        found |= dict.fromkeys(_letters_for_signs(_in_one_script(word)))
        found |= dict.fromkeys(each.translate(_LATIN_LIKE) for each in list(found) if not each.isascii())
        found |= dict.fromkeys(_POSSESSIVE.sub("", each) for each in list(found))
    for each in list(found):
        found |= dict.fromkeys(_without_repeats(each))
    return tuple(found)


_spellings_of_short = lru_cache(MOST_KEPT)(_every_spelling)


def _without_repeats(word: str) -> Iterator[str]:
    """The word with one or two of each letter that comes several times in a row."""
    parts = [match[0] for match in _RUNS.finditer(word)]
    runs = [at for at, part in enumerate(parts) if len(part) > 1]
    if not runs:
        return
    choices = (
        list(product((1, 2), repeat=len(runs))) if len(runs) <= _MOST_RUNS else [(1,) * len(runs), (2,) * len(runs)]
    )
    for choice in choices:
        lengths = dict(zip(runs, choice, strict=True))
        yield "".join(part[0] * lengths.get(at, 1) for at, part in enumerate(parts))


def _in_one_script(word: str) -> str:
    """The word in Latin letters where it mixes them with others that are drawn alike."""
    if any("a" <= c <= "z" for c in word):
        return word.translate(_LATIN_LIKE)
    return word


def _letters_for_signs(word: str) -> list[str]:
    """The readings of a word that has signs and digits for letters. Numbers, ages and measures have none."""
    if not _LETTERS.search(word) or (word[0].isdigit() and word.lstrip("0123456789") in _UNITS):
        return [word]
    options = [_READ_AS.get(c, c) for c in word]
    count = 1
    for at, option in enumerate(options):
        if count * len(option) > _MOST_SPELLINGS:
            options[at] = option[0]
        count *= len(options[at])
    readings = ["".join(letters) for letters in product(*options)]
    digits = word[: len(word) - len(word.lstrip("0123456789"))]  # an age stays one
    readings += [digits + reading[len(digits) :] for reading in readings] if digits else []
    return [word, *readings, *([word.rstrip("!*$@")] if word[-1] in "!*$@" else [])]
