"""Django's PostgreSQL backend, with ``row_security.sight()`` in force at every query.

The statement that changes the sight travels in front of the next query, in the same message: it costs no round trip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from django.db import InterfaceError
from django.db.backends.postgresql import base, operations
from psycopg.pq import PipelineStatus

from loremotion.prepared import TogetherCursor, execute_anew, pipeline
from loremotion.row_security import EVERYTHING, SIGHT_SQL, Sight, sight

TRANSACTION_CONTROL = ("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")
"""Looks at no row, and must go through where a transaction has failed."""
QUERIES = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
"""Before these another statement may stand in one message; some others (VACUUM) want to be alone."""


class DatabaseOperations(operations.DatabaseOperations):
    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> Any:
        """The statement, for logs and tests. Of one that is prepared already psycopg keeps no text: it is the caller's,
        without values."""
        return super().last_executed_query(cursor, sql, params) or sql


class DatabaseWrapper(base.DatabaseWrapper):
    """``in_force`` is the sight of the session, or None where it is not known.

    That is so after a rollback, which may have taken a change of it back, and of every connection that comes from the
    pool: whatever sight its last user left it with, the first query puts its own in force.
    """

    ops_class = DatabaseOperations
    in_force: Sight | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers += [execute_anew, self._execute_in_sight]

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        self.in_force = None if self.pool else EVERYTHING
        return connection

    def _execute_in_sight(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        wanted = sight()
        if wanted == self.in_force or (isinstance(sql, str) and sql.startswith(TRANSACTION_CONTROL)):
            return execute(sql, params, many, context)
        if self.connection is None:  # lost in a transaction: Django has put it away, and the caller kept the cursor
            raise InterfaceError("the connection of this cursor is closed")
        cursor = context["cursor"].cursor
        self.in_force = None  # until it has worked
        if self.connection.pgconn.pipeline_status != PipelineStatus.OFF:  # of prepared.send_ahead, which heeds errors
            TogetherCursor(self.connection).execute(SIGHT_SQL, wanted.values, prepare=True)
            self.in_force = wanted
            return execute(sql, params, many, context)
        if not many and isinstance(cursor, psycopg.ClientCursor) and _is_query(sql):
            answer = execute(f"{wanted.sql}; {sql}", params, many, context)
            cursor.nextset()
            self.in_force = wanted
            return answer
        if not many and isinstance(cursor, TogetherCursor):
            with self.wrap_database_errors, pipeline(self.connection):
                TogetherCursor(self.connection).execute(SIGHT_SQL, wanted.values, prepare=True)
                answer = execute(sql, params, many, context)
        else:
            with self.wrap_database_errors:
                self.connection.execute(wanted.sql)
            answer = execute(sql, params, many, context)
        self.in_force = wanted
        return answer

    def _rollback(self) -> None:
        self.in_force = None
        super()._rollback()  # type: ignore[misc]  # the stubs leave it out

    def _savepoint_rollback(self, sid: str) -> None:
        self.in_force = None
        super()._savepoint_rollback(sid)  # type: ignore[misc]


def _is_query(sql: Any) -> bool:
    return isinstance(sql, str) and sql.lstrip("( \n")[:6].upper().startswith(QUERIES)
