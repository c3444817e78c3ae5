"""Statements that PostgreSQL reads and plans once a connection, not each time that they are asked.

For the few that every request for a clip asks: planning one takes longer than answering it. Django's own cursors write
each call's values into its text, so that PostgreSQL never meets the same statement twice.

A plan knows the role that it is for: PostgreSQL makes another where row-level security asks for one. psycopg forgets
what it prepared when a transaction is rolled back, and prepares it anew.

What a statement answers is settled when it is prepared: once a migration gives a column another type, PostgreSQL
refuses it. ``execute_anew`` then has it prepared again. In a transaction, which the refusal ends, that comes with the
rollback, and so one request of each connection fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections
from psycopg.errors import FeatureNotSupported
from psycopg.pq import TransactionStatus

Answer = Callable[[], Any]
"""Reads what a statement answers that was sent before."""


@contextmanager
def prepared_cursor() -> Iterator[Any]:
    """A cursor that sends values beside its statement, and prepares a statement that is asked again and again.

    What it reads comes in PostgreSQL's own binary form: taking times and ids apart as text is Python's work, and costs
    more than finding the row. JSON is what it stands for, where Django's cursors leave it as text.
    """
    with _cursor() as cursor:
        yield cursor


def send(sql: str, values: Any) -> Answer:
    """Send a statement, and return what reads its first row. Within ``unanswered`` nothing waits for it until then."""
    cursor = _cursor()  # whatever closes it would throw its row away
    cursor.execute(sql, values)
    answer: Answer = cursor.fetchone
    return answer


@contextmanager
def unanswered() -> Iterator[None]:
    """Send what is sent in the block without waiting for one answer before the next: one journey for all of them.

    PostgreSQL works on them in their order. Once one fails it skips the others, whose answers then raise as well; so
    what one statement finds must not decide whether another is sent.
    """
    database = _connected()
    with database.wrap_database_errors:
        try:
            with database.connection.pipeline():
                yield
        except BaseException:
            database.in_force = None  # a change of sight may be undone with what failed
            raise


def together(*sends: Callable[[], Answer]) -> list[Answer]:
    """What each of ``sends`` returns, sent ``unanswered``, and once more where a migration came between: see the top.
    For what only reads, outside of a transaction."""
    try:
        return _sent(sends)
    except NotSupportedError as error:
        if not _forget_outdated(error):
            raise
        return _sent(sends)


def _sent(sends: Iterable[Callable[[], Answer]]) -> list[Answer]:
    with unanswered():
        return [send() for send in sends]


def _connected() -> Any:
    """This thread's ``row_security.base.DatabaseWrapper``, with a connection."""
    database = connections[DEFAULT_DB_ALIAS]
    database.close_if_health_check_failed()
    database.ensure_connection()
    return database


def _cursor() -> Any:
    database = _connected()
    own = psycopg.Cursor(database.connection)
    own.format = psycopg.pq.Format.BINARY
    return database.make_debug_cursor(own) if database.queries_logged else database.make_cursor(own)


def execute_anew(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """What a statement answers, also where it was prepared for columns of other types. Wraps what executes it."""
    try:
        return execute(sql, params, many, context)
    except NotSupportedError as error:
        if not _forget_outdated(error):
            raise
        return execute(sql, params, many, context)


def _forget_outdated(error: NotSupportedError) -> bool:
    """Forget what is prepared, if ``error`` says that it is for other types, outside of a transaction; say so."""
    connection = connections[DEFAULT_DB_ALIAS].connection
    is_in_transaction = connection.info.transaction_status is not TransactionStatus.IDLE
    if is_in_transaction or not isinstance(error.__cause__, FeatureNotSupported):
        return False
    connection.execute("DEALLOCATE ALL")  # which psycopg heeds
    return True
