"""Whatever is done to the ledger in whatever order, every lot stands where a plain model of it has it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.billing.books import assert_books_are_right
from tests.billing.ledger_vs_model import LedgerVsModel
from tests.billing.machine import LedgerMachine
from tests.properties import examples

EXAMPLES = settings(
    max_examples=examples(25),
    stateful_step_count=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.hypothesis
@pytest.mark.django_db
def test_the_ledger_agrees_with_the_model_lot_by_lot() -> None:
    run_state_machine_as_test(LedgerMachine, settings=EXAMPLES)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_it_still_agrees_after_a_long_walk(seed: int) -> None:
    random, both = Random(seed), LedgerVsModel()
    for _ in range(60):
        both.step(random)
    assert_books_are_right()
