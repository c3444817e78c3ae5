"""One thing at a time, across processes, also while Stripe is being asked and no transaction is open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable, QueryCanceled

from billing.shop import gateway
from loremotion import database, page_deadline

WAIT_SECONDS = 8.0

_slots = threading.BoundedSemaphore(max(1, settings.DATABASE_POOL_SIZE // 2))
_thread = threading.local()


class Busy(Exception):
    """Another process is at it."""


@contextmanager
def alone_with(subject: str, *, is_patient: bool = True) -> Iterator[None]:
    """Hold the lock named ``subject`` for the block. Ends with the database connection at the latest.

    Without it a slow answer of Stripe's could overtake a newer one, and the older truth would stay.

    Raises:
        Busy: another process holds it, and the caller is not patient.
        StripeIsAway: too many wait for Stripe already, and go on doing so.
    """
    with _slot(is_patient=is_patient), database.kept(), _locked(subject, is_patient=is_patient):
        yield


@contextmanager
def _slot(*, is_patient: bool) -> Iterator[None]:
    """Take one of the slots for holding a lock, which keeps a connection while Stripe is asked: half the pool at most.

    A lock within another keeps no more than that one does.
    """
    if getattr(_thread, "has_slot", False):
        yield
        return
    database.give_back()
    patience_seconds = max(0, min(WAIT_SECONDS, page_deadline.seconds_left())) if is_patient else 0
    if not _slots.acquire(timeout=patience_seconds):
        if is_patient:
            raise gateway.StripeIsAway
        raise Busy
    _thread.has_slot = True
    try:
        yield
    finally:
        _thread.has_slot = False
        _slots.release()


@contextmanager
def _locked(subject: str, *, is_patient: bool) -> Iterator[None]:
    with connection.cursor() as cursor:
        if is_patient:
            try:
                cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 5))", [subject])
            except OperationalError as problem:
                if isinstance(problem.__cause__, (LockNotAvailable, QueryCanceled)):  # who has it waits for Stripe
                    raise gateway.StripeIsAway from problem
                raise
        else:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 5))", [subject])
            if not cursor.fetchone()[0]:
                raise Busy(subject)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 5))", [subject])
