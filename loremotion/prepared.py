"""Statements that PostgreSQL reads and plans once a connection, not each time that they are asked.

For the few that every request for a clip asks: planning one takes longer than answering it. Django's own cursors write
each call's values into its text, so that PostgreSQL never meets the same statement twice.

A plan knows the role that it is for: PostgreSQL makes another where row-level security asks for one. psycopg forgets
what it prepared when a transaction is rolled back, and prepares it anew.

What a statement answers is settled when it is prepared: once a migration gives a column another type, PostgreSQL
refuses it. And in a pipeline psycopg takes a statement for prepared once it has sent it: where PostgreSQL could not
prepare it, for a lock, or skipped it since one before it had failed, it knows no such statement the next time.
``execute_anew`` and ``together`` then have it prepared again. In a transaction, which the refusal ends, that comes with
the rollback, and so one request of each connection fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, NotSupportedError, ProgrammingError, connections
from django.db.backends.utils import CursorWrapper
from psycopg.abc import Params, PQGen, Query
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.raw_cursor import RawCursorMixin

Answer = Callable[[], Any]
"""Reads what a statement answers that was sent before."""


def prepared_cursor(*, is_numbered: bool = False) -> Any:
    """A cursor that sends values beside its statement, and prepares a statement that is asked again and again.

    What it reads comes in PostgreSQL's own binary form: taking times and ids apart as text is Python's work, and costs
    more than finding the row. JSON is what it stands for, where Django's cursors leave it as text.
    ``with`` closes it.

    Args:
        is_numbered: whether its statements name their values ``$1`` and on, as PostgreSQL does. psycopg reads one with
            ``%s`` anew each time where there are more than fifty values.
    """
    database = _connected()
    own = (_NumberedCursor if is_numbered else TogetherCursor)(database.connection)
    own.format = psycopg.pq.Format.BINARY
    return database.make_debug_cursor(own) if database.queries_logged else _Cursor(own, database)


class TogetherCursor(psycopg.Cursor[Any]):
    """psycopg's, whose statements of a ``pipeline`` leave in one message, when it ends or an answer is read.

    psycopg sends each as soon as it is there. PostgreSQL then wakes up for every one of them, and both sides spend more
    on the sending than on some of the statements. What is overridden is no public part of psycopg: its version is
    pinned, and tests look at what is sent when.
    """

    def _execute_gen(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> PQGen[None]:
        yield from self._begin_gen()
        yield from self._start_query(query)
        yield from self._maybe_prepare_gen(self._convert_query(query, params), prepare=prepare, binary=binary)
        # Here psycopg sends.
        self._last_query = query
        yield from self._conn._prepared.maintain_gen(self._conn)

    def _begin_gen(self) -> PQGen[None]:
        """Begin the transaction that is due with its first statement. psycopg would wait for the answer."""
        if self._conn._pipeline is None or self._conn.autocommit:
            return
        if self._conn.pgconn.transaction_status == TransactionStatus.IDLE:
            yield from self._conn._exec_command(self._conn._get_tx_start_command())
            _write(self._conn._pipeline)

    def _fetch_pipeline(self) -> None:
        if self._conn._pipeline is not None:
            _write(self._conn._pipeline)
        super()._fetch_pipeline()


class _NumberedCursor(RawCursorMixin[psycopg.Connection[Any], Any], TogetherCursor):
    """The same, for statements that name their values as PostgreSQL does."""


@contextmanager
def pipeline(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Send what ``TogetherCursor``s of the connection execute in the block together."""
    with connection.pipeline() as own:
        own._exit_gen = partial(_end_gen, own)  # type: ignore[method-assign]  # psycopg is pinned
        yield
        _write(own)


def _end_gen(pipeline: psycopg.Pipeline) -> PQGen[None]:
    """psycopg's end of a pipeline, which asks in a second message for the answers that its first one brings."""
    try:
        pipeline._enqueue_sync()
        yield from pipeline._communicate_gen()
    finally:
        yield from pipeline._fetch_gen(flush=False)


def _write(pipeline: psycopg.Pipeline) -> None:
    """Put what waits to be sent into one buffer. psycopg would send each before it turns to the next."""
    while pipeline.command_queue:
        pipeline.command_queue.popleft()()


class _Cursor(CursorWrapper):
    """Django's, which looks for each method that it does not name itself anew, and wraps it, whenever it is called."""

    def fetchone(self) -> Any:
        with self.db.wrap_database_errors:
            return self.cursor.fetchone()

    def fetchall(self) -> Any:
        with self.db.wrap_database_errors:
            return self.cursor.fetchall()


def send(sql: str, values: Any) -> Answer:
    """Send a statement, and return what reads its first row. Within ``unanswered`` nothing waits for it until then."""
    answer: Answer = _executed(sql, values).fetchone
    return answer


def send_for_all(sql: str, values: Any) -> Answer:
    """``send``, of whose answer every row is read."""
    answer: Answer = _executed(sql, values).fetchall
    return answer


def _executed(sql: str, values: Any) -> Any:
    cursor = prepared_cursor()  # whatever closes it would throw its rows away
    cursor.execute(sql, values)
    return cursor


@contextmanager
def send_ahead() -> Iterator[None]:
    """Send what is sent in the block without waiting for one answer before the next: one journey for all of them.

    PostgreSQL works on them in their order. Once one fails it skips the others, whose answers then raise as well; so
    what one statement finds must not decide whether another is sent.
    """
    database = _connected()
    with database.wrap_database_errors:
        try:
            with pipeline(database.connection):
                yield
        except BaseException:
            database.in_force = None  # a change of sight may be undone with what failed
            raise


def together(*sends: Callable[[], Answer]) -> list[Answer]:
    """What each of ``sends`` returns, sent ``unanswered``, and once more where PostgreSQL has other statements prepared
    than psycopg believes: see the top. For what only reads, outside of a transaction."""
    try:
        return _send_all(sends)
    except (NotSupportedError, ProgrammingError) as error:
        if not _forgot_prepared(error):
            raise
        return _send_all(sends)


def _send_all(sends: Iterable[Callable[[], Answer]]) -> list[Answer]:
    with send_ahead():
        return [send() for send in sends]


def _connected() -> Any:
    """This thread's ``row_security.base.DatabaseWrapper``, with a connection."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    if database.health_check_enabled:
        database.close_if_health_check_failed()
    if database.connection is None:
        database.ensure_connection()
    return database


def execute_anew(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """What a statement answers, also where it was prepared for columns of other types, or is not prepared where psycopg
    believes that it is. Wraps what executes it."""
    try:
        return execute(sql, params, many, context)
    except (NotSupportedError, ProgrammingError) as error:
        if not _forgot_prepared(error):
            raise
        return execute(sql, params, many, context)


def _forgot_prepared(error: DatabaseError) -> bool:
    """Whether ``error`` says that what is prepared is of no use, and all of it is forgotten. Not within a transaction,
    nor a pipeline, which must end first."""
    if not isinstance(error.__cause__, (FeatureNotSupported, InvalidSqlStatementName)):
        return False
    connection = connections[DEFAULT_DB_ALIAS].connection
    is_within_more = connection.pgconn.pipeline_status != PipelineStatus.OFF
    if is_within_more or connection.info.transaction_status is not TransactionStatus.IDLE:
        return False
    with connection.transaction(force_rollback=True):  # psycopg forgets with it; it heeds not every DEALLOCATE ALL
        pass
    return True
