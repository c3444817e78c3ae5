"""What leaves in one message is answered in one journey."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, connection, transaction

from loremotion import prepared


def sent_while(act: Callable[[], object], folder: Path) -> list[str]:
    """Kinds of what this side says to PostgreSQL, in their order, by libpq's own trace."""
    connection.ensure_connection()
    pgconn = connection.connection.pgconn
    path = folder / "trace"
    with path.open("wb") as file:
        pgconn.trace(file.fileno())
        try:
            act()
        finally:
            pgconn.untrace()
    said = [line.split("\t") for line in path.read_text().splitlines()]
    return [fields[3] for fields in said if fields[1] == "F"]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_begins_in_the_message_of_its_first_statements(tmp_path: Path) -> None:
    answers: list[Any] = []

    def ask() -> None:
        with transaction.atomic():
            with prepared.send_ahead():
                asked = [prepared.send("SELECT %s::int", [number]) for number in (1, 2)]
            answers.extend(answer() for answer in asked)
            assert connection.connection.info.transaction_status.name == "INTRANS"

    sent = sent_while(ask, tmp_path)
    assert answers == [(1,), (2,)]
    assert sent.count("Sync") == 1
    assert "Flush" not in sent


@pytest.mark.django_db(transaction=True)
def test_what_fails_within_such_a_message_undoes_the_transaction() -> None:
    def ask() -> None:
        with transaction.atomic(), prepared.send_ahead():
            prepared.send("CREATE TABLE made_with_it (id int)", None)
            prepared.send("SELECT 1 / %s::int", [0])

    with pytest.raises(DataError, match="division by zero"):
        ask()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('made_with_it')")
        assert cursor.fetchone() == (None,)
