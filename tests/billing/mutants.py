"""Every small way to get the kernel wrong, and whether the tests notice.

A mutant is one of the ledger's functions or guards with one place changed. It is installed inside a transaction,
the ledger and its model walk together until they differ, and the transaction is rolled back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from inspect import signature
from itertools import product
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction

from billing.sql import FUNCTIONS, GUARDS
from tests.billing import (
    test_adjusting,
    test_clawback,
    test_given_back,
    test_lapsing,
    test_ledger,
    test_merging,
    test_protection,
    test_soundness,
    test_write_off,
)
from tests.billing.books import LedgerClock, assert_books_are_right
from tests.billing.ledger_vs_model import LedgerVsModel

MODULES = (test_ledger, test_lapsing, test_clawback, test_merging, test_adjusting, test_write_off, test_given_back)
SUBJECTS = {
    "ledger_project": (test_write_off, test_adjusting),
    "ledger_grant": (test_ledger, test_merging),
    "ledger_settle": (test_ledger, test_lapsing, test_write_off, test_given_back, test_merging),
    "ledger_reclaim": (test_given_back,),
    "ledger_expire_due": (test_lapsing,),
    "ledger_clawback": (test_clawback, test_write_off, test_merging),
    "ledger_family": (test_clawback,),
    "ledger_child": (test_lapsing, test_clawback, test_merging),
    "ledger_merge": (test_merging,),
    "ledger_forward": (test_merging,),
    "ledger_withdraw": (test_adjusting,),
    "ledger_write_off": (test_write_off,),
    "ledger_owed": (test_write_off,),
}
MOST_CASES = 10
"""Of a test with more, so many are tried, spread over all of them."""

KERNEL = FUNCTIONS + GUARDS

# What to look for in a line, and what to put there instead.
OPERATORS: tuple[tuple[str, str], ...] = (
    (r"\bleast\(", "greatest("),
    (r"\bgreatest\(", "least("),
    (r" - (?=\S)", " + "),
    (r" \+ (?=\S)", " - "),
    (r"', -(?=\w)", "', "),
    (r" > ", " >= "),
    (r" >= ", " > "),
    (r" < ", " <= "),
    (r" <= ", " < "),
    (r" <> (?=\S)", " = "),
    (r"(?<!BETWEEN [01]) AND ", " OR "),
    (r"\bIF (?!EXISTS|NOT)(.+?) THEN", "IF true THEN"),
    (r"\bIF (.+?) THEN", "IF false THEN"),
    (r"\bIF NOT ", "IF "),
    (r"\bWHEN (?!OTHERS)(.+) THEN", "WHEN true THEN"),
    (r"\bWHEN (?!OTHERS)(.+) THEN", "WHEN false THEN"),
    (r"PERFORM (ledger_\w+\(.*\);)$", "NULL;"),
    (r"(?<=ORDER BY )priority, ", ""),
    (r"expires_at NULLS LAST, ", ""),
    (r" NULLS LAST", " NULLS FIRST"),
    (r"ORDER BY (\w+)$", r"ORDER BY \1 DESC"),
    (r"\.id DESC", ".id"),
    (r"'7 days'", "'8 days'"),
    (r"30::smallint", "31::smallint"),
    (r"'goodwill'", "'free'"),
    (r"coalesce\((\w+), hold.amount\)", r"hold.amount"),
    (r"\bEXIT WHEN .*;", "EXIT;"),
    (r"CONTINUE WHEN .*;", "NULL;"),
    (r"\|\| p_reference\b", "|| ''"),
    (r"NOT BETWEEN 0", "NOT BETWEEN 1"),
    (r"NOT BETWEEN 0", "NOT BETWEEN -1000000"),
    (r"lot\.kind", "'pack'"),
    (r"lot\.priority", "1::smallint"),
    (r"lot\.expires_at", "NULL"),
)

# Changes after which the kernel still keeps every promise, or breaks one only while somebody else is writing: by
# function, the words of the line.
SAME_PROMISES: tuple[tuple[str, str], ...] = (
    # A transaction of another account that is next there and has no entries yet cannot be: they come together.
    ("ledger_project", "OR posted.seq = total.seq"),
    # Only saves a call: ledger_forward looks by itself.
    ("ledger_grant", "IF account.merged_into_id IS NOT NULL THEN  ->  IF true"),
    ("ledger_settle", "IF account.merged_into_id IS NOT NULL THEN  ->  IF true"),
    # Only saves a call: a lot of its own account's has settled before what ledger_reclaim would ask of it.
    ("ledger_settle", "IF lot.parent_id IS NOT NULL OR account.merged_into_id IS NOT NULL THEN  ->  IF true"),
    # A name has to be unique, no more.
    ("ledger_expire_due", "account.seq - 1"),
    ("ledger_clawback", "account.seq - 1"),
    ("ledger_forward", "source.seq - 1"),
    # Nobody charges and says in the same breath that we failed.
    ("ledger_settle", "IF back >= 0 AND"),
    # Locks, and looks before and after them: test_races.
    ("ledger_grant", "IF false THEN RETURN answer"),
    ("ledger_hold", "IF false THEN RETURN answer"),
    ("ledger_settle", "IF hold.state = 'open' THEN  ->  IF true"),
    ("ledger_settle", "PERFORM ledger_lock_origins(p_id);  ->  NULL"),
    ("ledger_settle", "hold.held_seq OR source.parent_id"),
    ("ledger_settle", "hold.account_id OR entry.seq = hold.held_seq AND source.parent_id"),
    ("ledger_lock_origins", "PERFORM ledger_lock(origin.account_id);  ->  NULL"),
    ("ledger_lock_origins", "walk.way - 1"),
    ("ledger_lock_origins", "p_hold OR lot.parent_id"),
    ("ledger_expire_due", "CONTINUE WHEN NOT FOUND;  ->  NULL"),
    ("ledger_expire_due", "CONTINUE WHEN lot.remaining = 0;  ->  NULL"),
)


Exam = Callable[..., None]

_KILLERS: defaultdict[str, list[Exam]] = defaultdict(list)
"""By function, what has killed mutants of it so far. Most mutants die of the same few tests."""


@dataclass(frozen=True)
class Mutant:
    function: str
    line: str
    becomes: str
    sql: str

    def __str__(self) -> str:
        return f"{self.function}: {self.line.strip()}  ->  {self.becomes.strip()}"

    @property
    def keeps_every_promise(self) -> bool:
        return any(self.function == function and words in str(self) for function, words in SAME_PROMISES)


@cache
def functions() -> dict[str, str]:
    """The text of each function of the kernel, by name; that of ledger_is_sound by the row it asks for too."""
    texts = re.findall(r"^CREATE OR REPLACE FUNCTION (?:.*';|(?s:.*?)^(?:END )?\$\$;)$", KERNEL, re.MULTILINE)
    name = re.compile(r"CREATE OR REPLACE FUNCTION (ledger_is_sound\(\w+ \w+\)|\w+)")
    return {name.match(text)[1]: text for text in texts}  # type: ignore[index]


def mutants(function: str) -> Iterator[Mutant]:
    """Each place of the function changed in each way that applies to it."""
    text = functions()[function]
    body = text.index("AS $$") if "AS $$" in text else len(text)
    seen = set()
    for pattern, replacement in OPERATORS:
        for place in re.finditer(pattern, text, re.MULTILINE):
            start = text.rfind("\n", 0, place.start()) + 1
            end = text.find("\n", place.end())
            line = text[start:end]
            if place.start() < body or "RAISE" in line or "USING" in line or line.lstrip().startswith("--"):
                continue
            becomes = text[start : place.start()] + place.expand(replacement) + text[place.end() : end]
            sql = text[:start] + becomes + text[end:]
            mutant = Mutant(function, line, becomes, sql)
            if sql not in seen and not mutant.keeps_every_promise:
                seen.add(sql)
                yield mutant


def is_killed(mutant: Mutant, *, endless_after_seconds: float = 2.0) -> bool:
    """Whether any rule's test fails, or a long walk finds the ledger and its model apart, with the mutant installed.

    Raises:
        django.db.DatabaseError: the mutant is not SQL.
    """
    with transaction.atomic():
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{endless_after_seconds}s'")  # some mutants never end
                cursor.execute(mutant.sql)
            return any(_kills(exam, mutant.function) for exam in _likeliest_first(mutant.function))
        finally:
            transaction.set_rollback(True)


def _kills(exam: Exam, function: str) -> bool:
    if not _fails(exam):
        return False
    killers = _KILLERS[function]
    if exam in killers:
        killers.remove(exam)
    killers.insert(0, exam)
    return True


def _likeliest_first(function: str) -> Iterator[Exam]:
    """What has killed a mutant of the same function before, the latest first; then all the rest."""
    tried = list(_KILLERS[function])
    yield from tried
    yield from (exam for exam in exams(function) if exam not in tried)


@cache
def exams(function: str) -> tuple[Exam, ...]:
    """What is run against a mutant of the function: the tests nearest to it first, walks last."""
    nearest = SUBJECTS.get(function, (test_ledger,))
    found: list[Exam] = []
    if function.startswith("ledger_is_sound"):
        return test_soundness.test_rows_that_can_be_are_let_in, test_soundness.test_rows_that_cannot_be_are_refused
    if function == "ledger_require_zero_sum":
        return tuple(_balance_exams())
    if function == "ledger_project":
        found += [partial(_attack, sql) for sql in test_protection.PROTECTED.values()]
    for module in sorted(MODULES, key=lambda module: nearest.index(module) if module in nearest else len(nearest)):
        for name, test in vars(module).items():
            if name.startswith("test_"):
                found += [partial(test, **arguments) for arguments in _cases(test)]
    return *found, *(partial(_walk, seed) for seed in range(2))


def _cases(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The arguments of each case of a parametrized test, the ledger's clock among them where it asks for it."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    cases = list(product(*(mark.args[1] for mark in marks)))
    for values in cases[:: -(-len(cases) // MOST_CASES)]:
        arguments: dict[str, Any] = {}
        for mark, value in zip(marks, values, strict=True):
            names = mark.args[0] if isinstance(mark.args[0], tuple) else (mark.args[0],)
            arguments |= zip(names, value if isinstance(mark.args[0], tuple) else (value,), strict=True)
        yield arguments


def _fails(exam: Exam) -> bool:
    with transaction.atomic():
        try:
            with transaction.atomic():
                if "ledger_clock" in signature(exam).parameters:
                    exam = partial(exam, ledger_clock=LedgerClock.install())
                exam()
                assert_books_are_right()
        except (Exception, pytest.fail.Exception):
            return True
        finally:
            transaction.set_rollback(True)
    return False


def _attack(sql: str) -> None:
    test_protection.begin()
    test_protection.test_it_is_refused_that(sql)


def _balance_exams() -> Iterator[Exam]:
    """What the zero sum refuses, in accounts of their own."""
    for exam in (
        test_protection.test_the_zero_sum_is_looked_at_when_the_transaction_is_whole,
        test_protection.test_lots_are_balanced_one_by_one,
        test_protection.test_a_transaction_without_entries_cannot_commit,
    ):
        yield partial(_after_beginning, exam)


def _after_beginning(exam: Exam) -> None:
    test_protection.begin()
    exam()


def _walk(seed: int) -> None:
    random, both = Random(seed), LedgerVsModel()
    for _ in range(60):
        both.step(random)
