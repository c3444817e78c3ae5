"""No small mistake in the kernel's SQL goes unnoticed by the tests."""

from __future__ import annotations

import pytest

from tests.billing import mutants

# The digest is proved by test_protection, and a clock by nothing but looking at it.
FUNCTIONS = [name for name in mutants.functions() if name not in ("ledger_now", "ledger_hash", "ledger_refuse")]


@pytest.mark.django_db
def test_the_kernel_as_it_is_survives() -> None:
    as_it_is = mutants.Mutant("ledger_hold", "", "", mutants.functions()["ledger_hold"])
    assert not mutants.is_killed(as_it_is)


@pytest.mark.django_db
def test_every_mutant_is_killed() -> None:
    everywhere = [mutant for function in FUNCTIONS for mutant in mutants.mutants(function)]
    assert len(everywhere) > 200
    assert [str(mutant) for mutant in everywhere if not mutants.is_killed(mutant)] == []
