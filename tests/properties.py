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
from hypothesis.internal.conjecture import providers

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
    if TIMES == 1:
        _forget_constants()


def _forget_constants() -> None:
    """Draw no constants from the project's own files, which Hypothesis reads as they are imported.

    What is imported by then depends on which tests ran before in the same process, so one seed gave other examples
    from one run to the next. There is no setting for it; where a release names it otherwise, this fails at once.
    """
    if not callable(getattr(providers, "_get_local_constants", None)):
        raise RuntimeError("This Hypothesis finds its constants elsewhere: tests/properties.py has to follow.")
    nothing = providers._local_constants
    providers._get_local_constants = lambda: nothing
