"""The database connection of a request: lent while the database is asked, and given back while anybody else is.

A process has few connections and any number of requests. Whoever waits for something that is not the database (a
reader who does not read, a provider that does not answer) must not keep the others from it meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

BESIDES: Final = 3
"""Connections of the beat, of ``/readyz`` and of somebody who looks."""
MOST_CONNECTIONS: Final = (
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
)

LOCK_TIMEOUT, IDLE_IN_TRANSACTION, DEADLOCK = "55P03", "25P03", "40P01"
"""PostgreSQL's codes for what is no fault of the job's: two limits of ``bound_process``, and the
choice of who gives way of several that wait for each other."""

logger = logging.getLogger(__name__)
_thread = threading.local()

_Row = TypeVar("_Row", bound=Model)


def give_back() -> None:
    """Return this thread's connection to the pool; the next query takes one again.

    Does nothing inside a transaction, nor while it is ``kept``.
    """
    is_kept = getattr(_thread, "is_kept", False)
    if connection.connection is not None and not connection.in_atomic_block and not is_kept:
        connection.close()


@contextmanager
def keep_connections() -> Iterator[None]:
    """Give nothing back in this block, whose session holds a lock that another connection could not lift."""
    _thread.is_kept = True
    try:
        yield
    finally:
        _thread.is_kept = False


def bound_process() -> None:
    """Have PostgreSQL end what takes this process too long: a statement, a wait for a lock, a transaction left open.

    For processes that serve somebody. Migrations and other commands take as long as they take.
    """
    limits = {
        "statement_timeout": settings.DATABASE_STATEMENT_SECONDS,
        "lock_timeout": settings.DATABASE_LOCK_SECONDS,
        "idle_in_transaction_session_timeout": settings.DATABASE_IDLE_TRANSACTION_SECONDS,
    }
    options = connection.settings_dict["OPTIONS"]  # of every thread's connection, and of the pool that is yet to open
    chosen = [f"-c {name}={round(1000 * seconds)}" for name, seconds in limits.items()]
    options["options"] = " ".join([*chosen, options.get("options", "")]).strip()  # DATABASE_URL has the last word


def warn_of_few_connections() -> None:
    """Log where PostgreSQL takes fewer connections than one web process and the workers may ask for: some would wait in
    vain for the rest. While it is away nothing is said."""
    try:
        with psycopg.connect(**(connection.get_connection_params() | {"connect_timeout": 5})) as own:
            row = own.execute(MOST_CONNECTIONS).fetchone()
    except psycopg.OperationalError:
        return
    most = int(row[0]) if row is not None else 0
    needed = settings.DATABASE_POOL_SIZE + len(settings.QUEUE_JOBS) + BESIDES
    if most < needed:
        logger.critical(
            "PostgreSQL takes %d connections, and one web process with its workers may need %d: raise max_connections, "
            "or lower DATABASE_POOL_SIZE.",
            most,
            needed,
        )


def answers() -> bool:
    """Whether this thread's own connection gets an answer: what it will be asked next."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Error:
        return False


def is_connection_lost(error: BaseException | None) -> bool:
    """Whether work failed for want of the database alone: absent, restarting, or gone in the middle of a statement.

    So it is too where it waited for a lock, or paused within a transaction, for longer than it may, or gave way in
    a deadlock: next time whoever was in the way has ended.
    """
    state = getattr(error.__cause__, "sqlstate", None) if isinstance(error, Error) else None
    if state is None:
        return isinstance(error, (InterfaceError, OperationalError))
    return bool(state.startswith(("08", "57P")) or state in (LOCK_TIMEOUT, IDLE_IN_TRANSACTION, DEADLOCK))


def in_batches(rows: QuerySet[_Row], *, size: int = 500) -> Iterator[_Row]:
    """Yield the rows by primary key, read ``size`` at a time. Unlike a cursor, no connection is held in between."""
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size])


class GiveBackMiddleware(MiddlewareMixin):
    """Gives the connection back before the answer is sent, however slowly it is read. Stands before all that asks
    the database."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        give_back()
        return response
