"""No small mistake in the kernel's SQL goes unnoticed by the tests."""

from __future__ import annotations

import pytest

from tests.billing import mutants
from tests.patience import PATIENCE_SECONDS

# The digest is proved by test_protection, and a clock by nothing but looking at it.
FUNCTIONS = [name for name in mutants.functions() if name not in ("ledger_now", "ledger_hash", "ledger_refuse")]
EVERYWHERE = [mutant for function in FUNCTIONS for mutant in mutants.mutants(function)]


@pytest.mark.django_db
def test_the_kernel_as_it_is_survives() -> None:
    as_it_is = mutants.Mutant("ledger_hold", "", "", mutants.functions()["ledger_hold"])
    assert not mutants.is_killed(as_it_is, endless_after_seconds=PATIENCE_SECONDS)


def test_there_is_much_to_get_wrong() -> None:
    assert len(EVERYWHERE) > 200


@pytest.mark.django_db
@pytest.mark.parametrize("mutant", EVERYWHERE, ids=str)
def test_it_is_killed(mutant: mutants.Mutant) -> None:
    assert mutants.is_killed(mutant)
