"""Fixtures of the billing tests: the books are checked at every test's end, and the ledger's clock can be moved."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.billing.books import LedgerClock, assert_books_are_right
from tests.billing.ledger_database import LedgerDatabase, scratch_database


@pytest.fixture(autouse=True)
def sound_books() -> None:
    """Here some tests break the books to see it noticed; the others ask for ``books``."""


@pytest.fixture
def books(db: None) -> Iterator[None]:
    """Use the ledger; at the test's end, no violation may stand in it."""
    yield
    assert_books_are_right()


@pytest.fixture
def ledger_clock(db: None) -> LedgerClock:
    """The ledger's clock, stopped until it is moved. It goes back to the real one with the test's transaction."""
    return LedgerClock.install()


@pytest.fixture(scope="session")
def server_url() -> str:
    """The run's PostgreSQL, at a database that is always there."""
    return os.environ["DATABASE_URL"].rpartition("/")[0] + "/postgres"


@pytest.fixture(scope="module")
def ledger_db(server_url: str) -> Iterator[LedgerDatabase]:
    """A database with the ledger alone, where tests may commit and use several connections."""
    with scratch_database(server_url) as database:
        yield database
