"""How much of a text a model reads: a text encoder has room for so many tokens, and sees nothing of what comes after.

Counted by the model's own tokenizer where this machine has it; elsewhere by a bound that no tokenizer goes beyond.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from catalog.models import ModelVersion
from catalog.tokenizer_files import tokeniser_of
from gpu_worker.families.preview import SOURCE

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_SAYS_NOTHING: Final = re.compile(
    "and|are|but|for|from|has|have|her|his|into|its|not|onto|our|she|that|the|their|them|then|there|they|this|was|were|"
    "while|who|with|you|your|[a-z]{1,2}",
    re.IGNORECASE,
)
"""English words that nobody misses in a clip."""

_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Fillers and blanks that Unicode counts among letters, marks and symbols."""
_INVISIBLE_RANGES = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))
"""Variation selectors and tags."""


@dataclass(frozen=True, slots=True)
class PromptLength:
    """A text as an encoder counts it."""

    tokens: int
    """At most, where ``is_exact`` is false."""
    limit: int
    is_exact: bool
    unread: str
    """The end of the text that would not be read; empty where that is not known."""

    @property
    def is_too_long(self) -> bool:
        return self.tokens > self.limit


def measure(text: str, version: ModelVersion, preset: str) -> PromptLength:
    """How long ``text`` is for the encoder of ``version``, and how much of it is read with ``preset``."""
    limit = version.most_prompt_tokens(preset)
    most = most_tokens(text)
    tokenise = tokeniser_of(version) if most > limit else None
    if tokenise is None:
        return PromptLength(tokens=most, limit=limit, is_exact=False, unread="")
    ends = tokenise(text)
    unread = text[ends[limit - 1] :] if len(ends) > limit else ""
    return PromptLength(tokens=len(ends), limit=limit, is_exact=True, unread=unread)


def most_tokens(text: str) -> int:
    """More tokens than this no encoder makes of ``text``.

    Byte-level BPE and byte fallback make one of each byte of UTF-8 at most, Unigram without them one of each character,
    and SentencePiece one more of the text's beginning. Some normalise before: a character of Unicode may stand for
    eighteen others.
    """
    if text.isascii():
        return len(text) + 1
    return 1 + sum(max(_utf8_bytes(c), _utf8_bytes(unicodedata.normalize("NFKD", c))) for c in text)


def ignored_words(text: str, version: ModelVersion) -> list[str]:
    """Words of ``text`` that say something and that the built-in model does not know, each once, in their order.

    Its tokenizer has some hundred whole words and drops all others. Those of other models spell out what they do not
    know, so of them the answer is empty.
    """
    tokenise = tokeniser_of(version) if version.source == SOURCE else None
    if tokenise is None:
        return []
    read = set(tokenise(text))
    unread = [found[0] for found in _WORD.finditer(text) if read.isdisjoint(range(found.start() + 1, found.end() + 1))]
    return list({word.casefold(): word for word in unread if not _SAYS_NOTHING.fullmatch(word)}.values())


def is_blank(text: str) -> bool:
    """Whether nothing of ``text`` can be seen: spaces, controls, characters of no width."""
    return all(_is_invisible(character) for character in text)


def _is_invisible(character: str) -> bool:
    return (
        unicodedata.category(character) in _INVISIBLE_CATEGORIES
        or character in _INVISIBLE
        or any(ord(character) in characters for characters in _INVISIBLE_RANGES)
    )


def _utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
