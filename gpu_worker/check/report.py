"""What became of each check, in words: on the screen, and whole in a file."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Skipped(Exception):
    """The check cannot be made here. The message says why; nothing is wrong."""


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the card."""

    name: str
    ask: Callable[[], str]
    """Returns what was found, raises ``Skipped``, or raises whatever is wrong."""
    next_step: str
    """What to do when it fails."""


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    outcome: Outcome
    words: str
    seconds: float
    details: str = ""

    @property
    def line(self) -> str:
        return f"{self.outcome.value:8} {self.name}: {self.words}"


def result_of(check: Check) -> Result:
    """Make one check. Nothing that it raises ends the others."""
    began = time.monotonic()
    details = ""
    try:
        outcome, words = Outcome.OK, check.ask()
    except Skipped as reason:
        outcome, words = Outcome.SKIPPED, str(reason)
    except Exception as problem:
        cause = str(problem).strip().partition("\n")[0].rstrip(".") or type(problem).__name__
        outcome, words, details = Outcome.FAILED, f"{cause}. {check.next_step}", traceback.format_exc()
    return Result(check.name, outcome, words, time.monotonic() - began, details)


def verdict(results: Sequence[Result]) -> str:
    """One line: whether this card can be relied on."""
    counted = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    figures = ", ".join(f"{count} {outcome.value}" for outcome, count in counted.items())
    if counted[Outcome.FAILED]:
        names = ", ".join(result.name for result in results if result.outcome is Outcome.FAILED)
        return f"NOT READY ({figures}). Failed: {names}"
    return f"READY ({figures})"


def whole_report(heading: Sequence[str], results: Sequence[Result]) -> str:
    """The text to attach to a report of a fault: each check with its seconds, and where it failed."""
    lines = [*heading, ""]
    for result in results:
        lines.append(f"{result.line} [{result.seconds:.2f} s]")
        lines += [f"    {line}" for line in result.details.splitlines()]
    return "\n".join([*lines, "", verdict(results), ""])
