"""How ``billing.ledger`` calls the kernel, the functions of ``billing.sql``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import DatabaseError

from billing.errors import BY_SQLSTATE
from loremotion.prepared import Answer, prepared_cursor, send


def call(function: str, *arguments: object) -> Any:
    """The JSON that one kernel function answers."""
    return send_call(function, *arguments)()


def send_call(function: str, *arguments: object) -> Answer:
    """Call a kernel function, and return what reads the JSON that it answers."""
    with own_errors():
        sent = send(f"SELECT {function}", arguments)

    def answer() -> Any:
        with own_errors():
            return sent()[0]

    return answer


@contextmanager
def kernel_cursor() -> Iterator[Any]:
    """A prepared cursor whose errors are the ledger's own where the database raised one of those."""
    with own_errors(), prepared_cursor() as cursor:
        yield cursor


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise the ledger's own errors where the database raises them. Of statements that are sent ``unanswered`` one may
    raise what another met: so it goes around all of them, and leaves alone what no function of the ledger raised."""
    try:
        yield
    except DatabaseError as error:
        cause = error.__cause__
        if not isinstance(cause, psycopg.Error) or "ledger_" not in (cause.diag.context or ""):
            raise
        kind = BY_SQLSTATE.get(cause.sqlstate or "")
        if kind is None:
            raise
        raise kind(str(error).split("\nCONTEXT:")[0]) from error
