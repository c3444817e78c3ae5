"""How ``billing.ledger`` calls the kernel, the functions of ``billing.sql``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError

from billing.errors import BY_SQLSTATE
from loremotion.prepared import prepared_cursor


def call(function: str, *arguments: object) -> Any:
    """The JSON that one kernel function answers."""
    with kernel_cursor() as cursor:
        cursor.execute(f"SELECT {function}", arguments)
        (answer,) = cursor.fetchone()
    return json.loads(answer) if isinstance(answer, str) else answer


@contextmanager
def kernel_cursor() -> Iterator[Any]:
    """A prepared cursor whose errors are the ledger's own where the database raised one of those."""
    try:
        with prepared_cursor() as cursor:
            yield cursor
    except DatabaseError as error:
        kind = BY_SQLSTATE.get(getattr(error.__cause__, "sqlstate", None) or "")
        if kind is None:
            raise
        raise kind(str(error).split("\nCONTEXT:")[0]) from error
