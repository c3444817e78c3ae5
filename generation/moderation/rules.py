"""The rules: which words together are refused, and which are held until staff has looked.

They find words that are known, also where they are disguised, and nothing else: whoever writes the same in fresh words
passes. They are the floor under a guard model, not one themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from generation.moderation.terms import PERSON, Term, Terms, is_met, load
from generation.moderation.text import LONGEST_KEPT, MOST_KEPT, Token, read
from generation.moderation.verdict import ALLOWED, Category, Outcome, Strictness, Verdict

OF_AGE: Final = 18
_ITEMS: Final = re.compile(r"[,;.\n]")
_LONGEST_ITEM: Final = 2
_FULL_NAME: Final = "full name"
_NAME: Final = re.compile(r"[A-ZÀ-Þ][a-zà-ÿ]{2,}(?: (?:(?:de|van|von|di|da|del) )?[A-ZÀ-Þ][a-zà-ÿ]{2,})+")
_PLACES: Final = frozenset(
    "street road avenue bridge beach park square city bay gate hill lake river island".split()  # noqa: SIM905
)
_CAPITALS: Final = re.compile(r"\b[A-ZÀ-Þ]")
_WORDS: Final = re.compile(r"\b\w{3,}")
_AGE_IN_ONE: Final = re.compile(r"(\d{1,2})(?:yo|y|yr|yrs|jahrige?[rsnm]?|летн\w*|ans|anos)")
_HAN_AGE: Final = re.compile(
    "(?:(?<![0-9])(?:1[0-7]|[1-9])"
    "|(?<![二三四五六七八九])十[一二三四五六七]?"
    "|(?<![十二三四五六七八九])[一二三四五六七八九])[岁歲歳才]"
)


@dataclass(slots=True)
class Found:
    """The groups of terms that a text meets, each with the words that met it."""

    words: dict[str, list[str]] = field(default_factory=dict)

    def add(self, group: str, words: str) -> None:
        """Note that ``words`` meet ``group``."""
        if words not in self.words.setdefault(group, []):
            self.words[group].append(words)

    def __contains__(self, group: str) -> bool:
        return group in self.words

    def of(self, *groups: str) -> tuple[str, ...]:
        """The words that met any of these groups."""
        return tuple(word for group in groups for word in self.words.get(group, ()))


def judge(text: str, *, strictness: Strictness = Strictness.STANDARD) -> Verdict:
    """Return the strictest verdict of any rule on ``text``."""
    found = find(text)
    if not found.words:
        return ALLOWED
    verdicts = [_on_minors(found), _on_persons(found), _on_adults(found, strictness), *_on_harm(found, strictness)]
    return max(_doubts(text), *verdicts, key=lambda verdict: verdict.outcome)


def judge_request(prompt: str, negative_prompt: str, *, strictness: Strictness) -> Verdict:
    """Return the verdict on a prompt together with what is not to be seen.

    To keep nudity out of a clip is innocent. To keep clothes out is not, where a child or a real person is in it.
    """
    verdict = judge(prompt, strictness=strictness)
    if not negative_prompt or verdict.outcome is Outcome.REFUSED:
        return verdict
    undressing = _unwanted_clothes(negative_prompt)
    if undressing:
        shown = find(prompt)
        for group, category in (("minor", Category.SEXUAL_MINORS), (PERSON, Category.SEXUAL_REAL_PERSON)):
            if group in shown:
                return Verdict(Outcome.HELD, category, (*shown.of(group), *undressing))
    return verdict


def find(text: str, *, takes_out_innocent: bool = True) -> Found:
    """Return which groups of terms ``text`` meets, after its innocent phrases are taken out."""
    terms, found, plain = load(), Found(), read(text)
    languages = _languages(terms, plain.tokens)
    taken = _clear(terms, plain.tokens, languages) if takes_out_innocent else set()
    for at, token in enumerate(plain.tokens):
        if at in taken:
            continue
        for term in _starting(terms, token):
            if term.group != "clear" and _follows(term, plain.tokens, at, languages, taken):
                words = plain.tokens[at : at + 1 + len(term.rest)]
                found.add(term.group, " ".join(each.written for each in words))
        _find_age(terms, plain.tokens, at, found)
    if plain.unspaced:
        _find_unspaced(terms, plain.unspaced, found, takes_out_innocent=takes_out_innocent)
    if found.words and (name := _full_name(text)):
        found.add(_FULL_NAME, name)
    return found


def _doubts(text: str) -> Verdict:
    """Hold what is innocent only for a phrase that was taken out, where a child or a real person is in it."""
    found = find(text, takes_out_innocent=False)
    verdict = max(_on_minors(found), _on_persons(found), key=lambda verdict: verdict.outcome)
    known = "minor" in found or PERSON in found
    return Verdict(Outcome.HELD, verdict.category, verdict.words) if known and verdict.outcome else ALLOWED


def _unwanted_clothes(negative_prompt: str) -> tuple[str, ...]:
    """The items of a negative prompt that are clothes and nothing else."""
    items = (item for item in _ITEMS.split(negative_prompt) if len(item.split()) <= _LONGEST_ITEM)
    return tuple(words for item in items for words in find(item).of("clothes"))


def _on_minors(found: Found) -> Verdict:
    if "minor" not in found:
        return ALLOWED
    if "explicit" in found:
        return _verdict(Outcome.REFUSED, Category.SEXUAL_MINORS, found, "minor", "explicit")
    for group in ("intimate", "nudity"):
        if group in found:
            is_told = ("depicts" if group == "intimate" else "art") in found
            outcome = Outcome.HELD if is_told else Outcome.REFUSED
            return _verdict(outcome, Category.SEXUAL_MINORS, found, "minor", group)
    if "suggestive" in found:
        return _verdict(Outcome.HELD, Category.SEXUAL_MINORS, found, "minor", "suggestive")
    return ALLOWED


def _on_persons(found: Found) -> Verdict:
    sexual = [group for group in ("explicit", "intimate", "nudity") if group in found]
    if PERSON in found:
        if sexual:
            return _verdict(Outcome.REFUSED, Category.SEXUAL_REAL_PERSON, found, PERSON, *sexual)
        if "suggestive" in found:
            return _verdict(Outcome.HELD, Category.SEXUAL_REAL_PERSON, found, PERSON, "suggestive")
    elif _FULL_NAME in found and sexual and "art" not in found:
        outcome = Outcome.REFUSED if "explicit" in found else Outcome.HELD
        return _verdict(outcome, Category.SEXUAL_REAL_PERSON, found, _FULL_NAME, *sexual)
    return ALLOWED


def _on_adults(found: Found, strictness: Strictness) -> Verdict:
    if strictness is Strictness.RELAXED:
        return ALLOWED
    if "explicit" in found:
        return _verdict(Outcome.REFUSED, Category.SEXUAL, found, "explicit")
    if "intimate" in found and "depicts" not in found and "art" not in found:
        return _verdict(Outcome.HELD, Category.SEXUAL, found, "intimate")
    if "nudity" in found and "art" not in found:
        return _verdict(Outcome.HELD, Category.SEXUAL, found, "nudity")
    return ALLOWED


def _on_harm(found: Found, strictness: Strictness) -> list[Verdict]:
    verdicts = []
    asked = Outcome.HELD if "depicts" in found else Outcome.REFUSED
    for group, category in (
        ("hate", Category.HATE),
        ("self_harm", Category.SELF_HARM),
        ("weapons", Category.WEAPONS),
    ):
        if group in found:
            verdicts.append(_verdict(asked, category, found, group))
    if "gore" in found and "depicts" not in found and strictness is Strictness.STANDARD:
        verdicts.append(_verdict(Outcome.HELD, Category.VIOLENCE, found, "gore"))
    return verdicts


def _verdict(outcome: Outcome, category: Category, found: Found, *groups: str) -> Verdict:
    return Verdict(outcome, category, found.of(*groups))


def _languages(terms: Terms, tokens: tuple[Token, ...]) -> frozenset[str]:
    """The languages that the text may be in, by its small words."""
    counts = Counter(terms.common[word] for each in tokens for word in each.spellings if word in terms.common)
    return frozenset(each for each, count in counts.items() if count > 1 or count > counts["en"])


def _clear(terms: Terms, tokens: tuple[Token, ...], languages: frozenset[str]) -> set[int]:
    """Places of words that belong to an innocent phrase."""
    taken: set[int] = set()
    for at, token in enumerate(tokens):
        for term in _starting(terms, token):
            rest = tokens[at + 1 : at + 1 + len(term.rest)]
            if term.group != "clear" or any(each.follows_pause for each in rest):
                continue
            if _follows(term, tokens, at, languages, taken):
                taken |= set(range(at, at + 1 + len(term.rest)))
    return taken


def _starting(terms: Terms, token: Token) -> Sequence[Term]:
    if " " in token.written:  # letters that stand alone: each piece is a whole word or nothing
        return [
            term for each in token.spellings for table in (terms.exact, terms.stems) for term in table.get(each, ())
        ]
    if len(token.written) <= LONGEST_KEPT:
        return _starting_short(token.spellings)
    return [term for each in token.spellings for term in terms.starting(each)]


@lru_cache(MOST_KEPT)
def _starting_short(spellings: tuple[str, ...]) -> tuple[Term, ...]:
    return tuple(term for each in spellings for term in load().starting(each))


def _follows(term: Term, tokens: tuple[Token, ...], at: int, languages: frozenset[str], taken: set[int]) -> bool:
    if term.language and term.language not in languages:
        return False
    after = range(at + 1, at + 1 + len(term.rest))
    if after and (after[-1] >= len(tokens) or not taken.isdisjoint(after)):
        return False
    return all(is_met(word, tokens[place]) for word, place in zip(term.rest, after, strict=True))


def _find_age(terms: Terms, tokens: tuple[Token, ...], at: int, found: Found) -> None:
    """Note an age below 18: a number with the word that makes it one, before or after."""
    token = tokens[at]
    in_one = (match for each in token.spellings if (match := _AGE_IN_ONE.fullmatch(each)))
    if match := next(in_one, None):
        if int(match[1]) < OF_AGE:
            found.add("minor", token.written)
        return
    number = int(token.written) if token.written.isdecimal() else _number(terms, token)
    if not 0 < number < OF_AGE:
        return
    is_aged = any(_is_of(terms, tokens[max(0, at - length) : at], "aged") for length in (1, 2))
    has_years = any(_is_of(terms, tokens[at + 1 : at + 1 + length], "years") for length in (1, 2, 3))
    if has_years or is_aged:
        found.add("minor", " ".join(each.written for each in tokens[max(0, at - 1) : at + 3]))


def _number(terms: Terms, token: Token) -> int:
    return next((terms.numbers[each] for each in token.spellings if each in terms.numbers), OF_AGE)


def _is_of(terms: Terms, tokens: tuple[Token, ...], group: str) -> bool:
    """Whether these words, and no others, are a term of ``group``."""
    if not tokens:
        return False
    first, *rest = tokens
    return any(
        term.group == group and len(term.rest) == len(rest) and all(map(is_met, term.rest, rest))
        for term in _starting(terms, first)
    )


def _find_unspaced(terms: Terms, text: str, found: Found, *, takes_out_innocent: bool) -> None:
    if takes_out_innocent and (clear := terms.anywhere.get("clear")) is not None:
        text = clear.sub("\n", text)
    for group, pattern in terms.anywhere.items():
        if group not in {"clear", "years"}:
            for words in pattern.findall(text):
                found.add(group, words)
    if match := _HAN_AGE.search(text):
        found.add("minor", match[0])


def _full_name(text: str) -> str:
    """Two words in capitals that stand together, unless they are a place's or the text writes most words so."""
    if len(_CAPITALS.findall(text)) > len(_WORDS.findall(text)) // 2:
        return ""
    names = (match[0] for match in _NAME.finditer(text))
    return next((name for name in names if len(name.split()) < 4 and name.split()[-1].lower() not in _PLACES), "")
