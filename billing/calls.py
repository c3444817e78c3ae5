"""How ``billing.ledger`` calls the kernel, the functions of ``billing.sql``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from billing.errors import BY_SQLSTATE


def call(function: str, *arguments: object) -> Any:
    """The JSON that one kernel function answers."""
    with kernel_cursor() as cursor:
        cursor.execute(f"SELECT {function}", arguments)
        (answer,) = cursor.fetchone()
    return json.loads(answer) if isinstance(answer, str) else answer


@contextmanager
def kernel_cursor() -> Iterator[Any]:
    """A cursor whose errors are the ledger's own where the database raised one of those.

    It binds on the server: Django's own cursors write each call's arguments into its text, which is much of what a
    call costs here. Not as prepared statements, which every rollback throws away.
    """
    database = connections[DEFAULT_DB_ALIAS]
    try:
        database.close_if_health_check_failed()
        database.ensure_connection()
        make_cursor = database.make_debug_cursor if database.queries_logged else database.make_cursor
        cursor = psycopg.Cursor(database.connection)
        with make_cursor(cursor) as wrapped:  # type: ignore[arg-type]  # the stubs would wrap wrappers alone
            yield wrapped
    except DatabaseError as error:
        kind = BY_SQLSTATE.get(getattr(error.__cause__, "sqlstate", None) or "")
        if kind is None:
            raise
        raise kind(str(error).split("\nCONTEXT:")[0]) from error
