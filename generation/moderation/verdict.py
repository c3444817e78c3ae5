"""What the rules say of a request's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Outcome(IntEnum):
    """From mild to strict, so that the strictest of several is their maximum."""

    ALLOWED = 0
    HELD = 1
    """Not made unless staff has looked at it."""
    REFUSED = 2


class Category(StrEnum):
    """What a text is refused or held for."""

    SEXUAL_MINORS = "sexual_minors"
    SEXUAL_REAL_PERSON = "sexual_real_person"
    SEXUAL = "sexual"
    VIOLENCE = "violence"
    HATE = "hate"
    SELF_HARM = "self_harm"
    WEAPONS = "weapons"
    UNJUDGED = "unjudged"
    """Nothing was found: the guard model did not answer, and its policy holds what nobody has looked at."""


class Strictness(StrEnum):
    """How a workspace's requests are judged. What law draws is the same in both."""

    STANDARD = "standard"
    RELAXED = "relaxed"
    """Adults' nudity and cruelty that is told, not asked for, are the workspace's own affair."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, and for anything but ALLOWED the rule and the words that met it, as they were written."""

    outcome: Outcome
    category: Category | None = None
    words: tuple[str, ...] = ()


ALLOWED = Verdict(Outcome.ALLOWED)
