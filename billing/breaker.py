"""How much GPU time may go into free clips in a day, over the whole fleet: past that, only who pays makes clips.

Free credits bound what one person makes; this bounds what all of them cost together, whatever a credit buys. A clip
counts from the moment it is asked for, by what such clips take, and from its end by what it took: so many that are
asked for at once cannot all pass on the same sight of what is left.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F

from billing import allowance
from billing.models import FreeDay, FreeReservation
from loremotion.refusals import TooMany

logger = logging.getLogger(__name__)


def reserve(reference: UUID, *, gpu_seconds: float, now: datetime) -> None:
    """Set GPU time aside for a free clip, or refuse it once the day's is gone. In the transaction that holds its
    credits, and late in it: others who ask for free clips wait for its end.

    Args:
        gpu_seconds: what the clip is expected to take.

    Raises:
        TooMany: until midnight UTC.
    """
    expected = gpu_seconds * _free_share(reference)
    if expected == 0:
        return
    day = now.astimezone(UTC).date()
    if settings.FREE_GPU_SECONDS_PER_DAY == 0 or not _add(day, expected, below=settings.FREE_GPU_SECONDS_PER_DAY):
        refills_at = allowance.refills_at(now)
        raise TooMany(
            "free_clips_are_over",
            "The machines have made as many free clips today as they may.",
            next_step=f"They go on at {refills_at:%H:%M} UTC; with a plan or a pack you need not wait.",
            retry_after_seconds=int((refills_at - now).total_seconds()) + 1,
        )
    FreeReservation.objects.create(hold_id=reference, day=day, gpu_seconds=expected)


def count(reference: UUID, *, gpu_seconds: float, now: datetime) -> None:
    """Add what a clip took, as far as its credits were free, in place of what was set aside for it. In the transaction
    that settles it."""
    let_go(reference)
    if took := gpu_seconds * _free_share(reference):
        _add(now.astimezone(UTC).date(), took)


def let_go(reference: UUID) -> None:
    """What is set aside for a clip, if anything is, may go into others. In the transaction that ends it."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_freereservation WHERE hold_id = %s RETURNING day, gpu_seconds", [reference])
        set_aside = cursor.fetchone()
    if set_aside is not None:
        day, expected = set_aside
        FreeDay.objects.filter(day=day).update(gpu_seconds=F("gpu_seconds") - expected)


def forget_old(now: datetime) -> None:
    """Delete what was set aside on days that are over."""
    FreeReservation.objects.filter(day__lt=now.astimezone(UTC).date()).delete()


def _free_share(reference: UUID) -> float:
    """How much of what is held for a clip came from free credits, between 0 and 1."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(drawn.amount) FILTER (WHERE lot.kind = 'free'), 0) / sum(drawn.amount)
            FROM ledger_allocation drawn JOIN ledger_lot lot ON lot.id = drawn.lot_id WHERE drawn.hold_id = %s
            """,
            [reference],
        )
        return float(cursor.fetchone()[0] or 0)


def _add(day: date, gpu_seconds: float, *, below: float | None = None) -> bool:
    """Count on a day, unless as much as ``below`` is counted already. One row, so whoever comes second waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_freeday AS today (day, gpu_seconds) VALUES (%s, %s)
            ON CONFLICT (day) DO UPDATE SET gpu_seconds = today.gpu_seconds + excluded.gpu_seconds
                WHERE %s IS NULL OR today.gpu_seconds < %s
            RETURNING gpu_seconds
            """,
            [day, gpu_seconds, below, below],
        )
        counted = cursor.fetchone()
    if counted is not None and counted[0] - gpu_seconds < settings.FREE_GPU_SECONDS_PER_DAY <= counted[0]:
        logger.critical("Free clips take %.0f GPU seconds today: no more of them until midnight UTC", counted[0])
    return counted is not None
