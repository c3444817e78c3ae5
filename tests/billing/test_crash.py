"""PostgreSQL dies in the middle of it: nothing that was acknowledged is lost, nothing is half done or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from tests.billing.ledger_database import LedgerDatabase
from tests.patience import PATIENCE_SECONDS

WRITERS, ACKNOWLEDGED = 3, 60


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A cluster of this test's own, writing through to its disk as in production."""
    postgres = Postgres(tmp_path, free_port(), is_durable=True)
    postgres.start()
    yield postgres
    postgres.stop()


def kill(postgres: Postgres) -> None:
    """Every process of the cluster at once, as when the machine's memory runs out."""
    assert postgres.process is not None
    os.killpg(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait()


def read(writer: subprocess.Popen[str], lines: int) -> list[str]:
    assert writer.stdout is not None
    return [line.strip() for line in islice(writer.stdout, lines)]


def test_nothing_acknowledged_is_lost_when_postgresql_is_killed_under_load(postgres: Postgres) -> None:
    ledger_db = LedgerDatabase(postgres.url())
    ledger_db.install()
    acknowledged: list[str] = []
    for round_number in range(2):
        writers = [ledger_db.start("tests.billing.writer", f"{round_number}.{number}") for number in range(WRITERS)]
        for writer in writers:
            acknowledged += read(writer, ACKNOWLEDGED)  # the others fill their pipes meanwhile
        kill(postgres)
        for writer in writers:
            rest, complaint = writer.communicate(timeout=PATIENCE_SECONDS)
            acknowledged += rest.split("\n")[:-1]
            assert "OperationalError" in complaint
        postgres.start()

    assert len(acknowledged) >= 2 * WRITERS * ACKNOWLEDGED
    assert ledger_db.violations() == []
    with ledger_db.connect() as connection:
        granted = connection.execute("SELECT reference, issued FROM ledger_lot").fetchall()
        closed = connection.execute("SELECT id::text, captured FROM ledger_hold WHERE state <> 'open'").fetchall()
        unsettled = connection.execute("SELECT id::text FROM ledger_hold WHERE state = 'open'").fetchall()
    assert {line.removeprefix("grant ") for line in acknowledged if line.startswith("grant ")} <= {
        reference for reference, _ in granted
    }
    assert {amount for _, amount in granted} == {10}
    for line in acknowledged:
        if line.startswith("settle "):
            _, request, captured = line.split()
            assert (request, int(captured)) in closed
    assert len(unsettled) <= 2 * WRITERS
