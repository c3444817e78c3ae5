"""One thing at a time, across processes, also while Stripe is being asked and no transaction is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


class Busy(Exception):
    """Another process is at it."""


@contextmanager
def alone_with(subject: str, *, is_patient: bool = True) -> Iterator[None]:
    """Hold the lock named ``subject`` for the block. Ends with the database connection at the latest.

    Without it a slow answer of Stripe's could overtake a newer one, and the older truth would stay.

    Raises:
        Busy: another process holds it, and the caller is not patient.
    """
    with connection.cursor() as cursor:
        if is_patient:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 5))", [subject])
        else:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 5))", [subject])
            if not cursor.fetchone()[0]:
                raise Busy(subject)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 5))", [subject])
