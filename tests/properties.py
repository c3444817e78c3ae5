"""How property tests look for examples: the same ones in every run, or, by ``make fuzz``, many and others each time.

A run that finds something only now and then is no use to whoever did not change anything. So ``make test`` draws from
one seed (``pyproject.toml``), after what once failed and is kept in ``tests/examples``. ``make fuzz`` draws ``FUZZ``
times as many from another seed each time, which it prints, and keeps there what fails: commit it with the mend, and
write it down as an ``@example`` as well, since Hypothesis forgets the kept one when its test is changed.
"""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase, ReadOnlyDatabase

TIMES = int(os.environ.get("FUZZ", "1"))
KEPT = DirectoryBasedExampleDatabase(Path(__file__).parent / "examples")


def examples(count: int) -> int:
    """How many of them in this run, where ``make test`` draws ``count``."""
    return count * TIMES


def load_profile() -> None:
    """Settle what every property test has in common. No deadline: a busy machine makes no property untrue."""
    database = KEPT if TIMES > 1 else ReadOnlyDatabase(KEPT)
    settings.register_profile("ours", deadline=None, max_examples=examples(100), database=database)
    settings.load_profile("ours")
