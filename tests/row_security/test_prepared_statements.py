"""What is prepared, or sent together, sees what is in sight when it is asked, and outlives what changes around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from loremotion import row_security
from loremotion.prepared import prepared_cursor, send, send_ahead, together
from loremotion.row_security import Bounds, across_workspaces
from tests.accounts import factories
from tests.row_security.sight import OURS, THEIRS, in_force, own_connection


@pytest.mark.django_db(transaction=True)
def test_a_prepared_statement_sees_what_is_in_sight_each_time_that_it_is_asked() -> None:
    """Its plan is kept with the connection: for another role PostgreSQL must make another."""
    ours, theirs = (factories.visitor().workspace.id for _ in range(2))

    def seen() -> set[UUID]:
        with prepared_cursor() as cursor:
            cursor.execute("SELECT id FROM accounts_workspace WHERE id IN (%s, %s)", [ours, theirs])
            return {row[0] for row in cursor.fetchall()}

    def is_kept() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE statement LIKE '%accounts_workspace%')"
            )
            return bool(cursor.fetchone()[0])

    for _ in range(8):  # after five plans for the values at hand PostgreSQL takes one for any
        with row_security.enforce_bounds(Bounds()):
            assert seen() == set()
            for workspace in (ours, theirs):
                row_security.enter(workspace)
                assert seen() == {workspace}
                with across_workspaces("the test looks"):
                    assert seen() == {ours, theirs}
    assert is_kept()
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        row_security.enforce_bounds(Bounds()),
        prepared_cursor() as cursor,
    ):
        cursor.execute("SELECT 1 / %s", [0])
    assert seen() == {ours, theirs}


@pytest.fixture
def changing(transactional_db: None) -> Iterator[Callable[[str], None]]:
    """Gives the column ``value`` of the table ``changing`` another type, as a migration does beside requests."""

    def change(to: str) -> None:
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as own:
            own.execute(f"ALTER TABLE changing ALTER COLUMN value TYPE {to} USING value::{to}")

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing AS SELECT 7 AS value")
    yield change
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE changing")


def changing_value() -> object:
    with prepared_cursor() as cursor:
        cursor.execute("SELECT value FROM changing")
        return cursor.fetchone()[0]


def test_a_prepared_statement_outlives_another_type_of_what_it_selects(changing: Callable[[str], None]) -> None:
    for _ in range(8):
        assert changing_value() == 7
    changing("text")
    assert changing_value() == "7"
    for _ in range(8):
        assert changing_value() == "7"
    changing("integer")
    with row_security.enforce_bounds(Bounds()):  # the change of sight goes before it in the same message
        assert changing_value() == 7
        assert in_force() == ("loremotion_web", "")


def test_statements_that_are_sent_together_outlive_it_as_well(changing: Callable[[str], None]) -> None:
    def both() -> list[object]:
        return [
            answer()[0]
            for answer in together(
                lambda: send("SELECT value FROM changing", []), lambda: send("SELECT value || %s FROM changing", ["!"])
            )
        ]

    for _ in range(8):
        assert both() == [7, "7!"]
    changing("text")
    for _ in range(8):
        assert both() == ["7", "7!"]
    with row_security.enforce_bounds(Bounds()):
        assert both() == ["7", "7!"]
        assert in_force() == ("loremotion_web", "")


def test_what_fails_among_statements_that_are_sent_together_leaves_no_sight_that_is_not_in_force(
    transactional_db: None,
) -> None:
    with row_security.enforce_bounds(Bounds()):
        for workspace in (OURS, THEIRS):
            row_security.enter(workspace)
            with pytest.raises(DatabaseError):
                together(lambda: send("SELECT 1 / %s", [0]), lambda: send("SELECT 1", []))
            assert in_force() == ("loremotion_web", str(workspace))


def test_within_a_transaction_another_type_fails_one_request_at_most(changing: Callable[[str], None]) -> None:
    for _ in range(8):
        assert changing_value() == 7
    changing("text")
    with pytest.raises(DatabaseError, match="cached plan"), transaction.atomic():
        changing_value()
    for _ in range(2):
        with transaction.atomic():
            assert changing_value() == "7"


@pytest.fixture
def hasty(transactional_db: None) -> Iterator[None]:
    """The connection waits for no lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 1")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


def locked_out(act: Callable[[], object]) -> None:
    """Do it while a migration has the table."""
    with psycopg.connect(**connection.get_connection_params()) as migration:
        migration.execute("LOCK TABLE changing")
        with pytest.raises(DatabaseError, match="lock timeout"):
            act()


def sent_value() -> object:
    (answer,) = together(lambda: send("SELECT value FROM changing", []))
    return answer()[0]


def value_in_another_sight() -> object:
    """The change of sight goes before it in the same message."""
    with row_security.enforce_bounds(Bounds()), across_workspaces("the test looks"):
        own_connection().in_force = None
        return changing_value()


@pytest.mark.parametrize("value", [sent_value, value_in_another_sight])
def test_a_statement_that_could_not_be_prepared_is_asked_again(
    changing: Callable[[str], None], hasty: None, value: Callable[[], object]
) -> None:
    assert value() == 7
    locked_out(value)  # where it is to be prepared: the second time
    for _ in range(4):
        assert value() == 7
    connection.cursor().execute("SELECT 1")


@pytest.mark.parametrize("value", [sent_value, value_in_another_sight])
def test_within_a_transaction_one_that_could_not_be_prepared_fails_once_at_most(
    changing: Callable[[str], None], hasty: None, value: Callable[[], object]
) -> None:
    value()
    locked_out(value)
    with pytest.raises(DatabaseError, match="does not exist"), transaction.atomic():
        value()
    for _ in range(4):
        with transaction.atomic():
            assert value() == 7
        assert value() == 7


def test_a_statement_that_was_skipped_for_another_one_is_asked_again(transactional_db: None) -> None:
    def both(divisor: int) -> list[object]:
        return [
            answer()[0]
            for answer in together(
                lambda: send("SELECT 6 / %s::integer", [divisor]), lambda: send("SELECT 1 + %s::integer", [1])
            )
        ]

    assert both(3) == [2, 2]
    for _ in range(2):
        with pytest.raises(DatabaseError, match="division by zero"):
            both(0)
        for _ in range(3):
            assert both(3) == [2, 2]


def test_what_is_prepared_is_forgotten_as_often_as_that_is_needed(changing: Callable[[str], None]) -> None:
    """Also where nothing was prepared yet the first time."""
    refused = "SELECT value FROM changing GROUP BY value FOR UPDATE"  # is not supported, ever
    for _ in range(2):
        with pytest.raises(DatabaseError, match="FOR UPDATE"), connection.cursor() as cursor:
            cursor.execute(refused)
        for _ in range(3):
            assert changing_value() == 7


@pytest.mark.django_db(transaction=True)
def test_statements_that_are_sent_together_leave_in_one_message_when_an_answer_is_read() -> None:
    """psycopg would send each as soon as it is there, and PostgreSQL wake up for each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:

        def is_held(lock: int) -> bool:
            row = other.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid = %s)",
                [lock, pid],
            ).fetchone()
            return row is not None and bool(row[0])

        with transaction.atomic():
            with send_ahead():
                first, second = (send("SELECT %s, pg_advisory_xact_lock(%s)", [lock, lock]) for lock in (11, 12))
                assert not is_held(11)
                assert first()[0] == 11
                assert is_held(12)
                send("SELECT pg_advisory_xact_lock(%s)", [13])
                assert not is_held(13)
            assert second()[0] == 12
            assert is_held(13)


@pytest.mark.django_db(transaction=True)
def test_what_fails_among_statements_that_are_sent_together_is_heard_where_its_answer_is_read() -> None:
    def ask() -> None:
        with send_ahead():
            fails, skipped = send("SELECT 1 / %s", [0]), send("SELECT %s", [1])
            with pytest.raises(DatabaseError, match="division by zero"):
                fails()
            skipped()

    with pytest.raises(DatabaseError), transaction.atomic():
        ask()
    assert send("SELECT %s", [1])() == (1,)
