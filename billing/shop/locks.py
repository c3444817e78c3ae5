"""One thing at a time, across processes, also while Stripe is being asked and no transaction is open.

A lock is a row that lapses. PostgreSQL's own locks end with a transaction or a connection: whoever waits for Stripe
would keep one of the few that a process has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import Error, OperationalError, connection
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from billing.shop.errors import StripeIsAway
from billing.shop.models import Lock
from loremotion import database, log_ids, page_deadline

LAPSES_AFTER_SECONDS: Final = 30.0
"""Several times as long as one answer of Stripe's is waited for; each request to Stripe renews it."""
WAIT_SECONDS = 8.0
LOOK_EVERY_SECONDS: Final = 0.1

# By the clock of the database alone. What has lapsed was left behind by a process that died.
TAKE: Final = """
INSERT INTO shop_lock AS taken (subject, holder, lapses_at)
VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (subject) DO UPDATE SET holder = excluded.holder, lapses_at = excluded.lapses_at
WHERE taken.lapses_at < clock_timestamp()
"""
RENEW: Final = "UPDATE shop_lock SET lapses_at = clock_timestamp() + make_interval(secs => %s) WHERE holder = ANY(%s)"

logger = logging.getLogger(__name__)

_thread = threading.local()


class Busy(Exception):
    """Another process is at it."""


@contextmanager
def alone_with(subject: str, *, is_patient: bool = True) -> Iterator[None]:
    """Hold the lock named ``subject`` for the block, and have every line of the log name it. No connection of the
    database is kept for it.

    Without it a slow answer of Stripe's could overtake a newer one, and the older truth would stay.

    Raises:
        Busy: another process holds it, and the caller is not patient.
        StripeIsAway: whoever holds it waits for Stripe, and goes on doing so.
    """
    held = _held()
    if subject in held:
        yield
        return
    with log_ids.bound(subject=subject):
        held[subject] = _take(subject, is_patient=is_patient)
        try:
            yield
        finally:
            _release(held.pop(subject))


def renew() -> None:
    """Have the locks of this thread last as long again, and in a transaction until it ends.

    To be called before each request to Stripe, and first in the transaction that writes what Stripe said.

    Raises:
        StripeIsAway: one of them lapsed, and another process has taken it since.
    """
    holders = list(_held().values())
    if not holders:
        return
    with connection.cursor() as cursor:
        cursor.execute(RENEW, [LAPSES_AFTER_SECONDS, holders])
        if cursor.rowcount != len(holders):
            logger.warning("A lock lapsed while it was held: %s", ", ".join(_held()))
            raise StripeIsAway


def forget_lapsed() -> None:
    """Delete what processes that died left behind, unless somebody has taken it since."""
    Lock.objects.filter(lapses_at__lt=timezone.now() - timedelta(hours=1)).delete()


def _held() -> dict[str, UUID]:
    """Subject → holder, of the locks that this thread holds."""
    held: dict[str, UUID] | None = getattr(_thread, "held", None)
    if held is None:
        held = _thread.held = {}
    return held


def _take(subject: str, *, is_patient: bool) -> UUID:
    holder, ends_at = uuid4(), time.monotonic() + min(WAIT_SECONDS, page_deadline.seconds_left())
    while not _is_taken_for(holder, subject):
        if not is_patient:
            raise Busy(subject)
        if time.monotonic() >= ends_at:
            raise StripeIsAway
        database.give_back()
        time.sleep(LOOK_EVERY_SECONDS)
    return holder


def _is_taken_for(holder: UUID, subject: str) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(TAKE, [subject, holder, LAPSES_AFTER_SECONDS])
            return bool(cursor.rowcount == 1)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):  # whoever has it is writing
            return False
        raise


def _release(holder: UUID) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM shop_lock WHERE holder = %s", [holder])
    except Error:  # what happened in the block is what the caller hears of, and the lock lapses
        logger.warning("A lock was not released and lapses by itself", exc_info=True)
