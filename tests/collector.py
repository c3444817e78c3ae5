"""Keeps Python's collector of cycles from walking, again and again, what lives as long as the run.

A run's imports and its 9,000 tests are two million objects. Collections happen as often as objects are made, so they
took a fifth of the time in which tests are found, and a twentieth of that in which they run.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

FEWEST_NEW = (10_000, 20, 50)
"""Objects that there are more of before the youngest are looked at, and how often before the older ones are. Python's
own (700, 10, 10) are for programs that must not grow; here every module begins with a whole collection."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """No collection while modules are imported and tests are found: nothing of it goes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(*FEWEST_NEW)


@pytest.fixture(autouse=True, scope="module")
def short_collections() -> None:
    """Hides what lives on after a module (imports, the tests of the run) from the collector, and collects the rest.

    Else a full collection, which out of memory, the simulated card and every count of bytes begin with, walks two
    million objects of other modules: over a second each time.
    """
    gc.collect()
    gc.freeze()
