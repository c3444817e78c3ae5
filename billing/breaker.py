"""How much GPU time may go into free clips in a day, over the whole fleet: past that, only who pays makes clips.

Free credits bound what one person makes; this bounds what all of them cost together, whatever a credit buys.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection

from billing import allowance
from billing.models import FreeDay
from loremotion.refusals import TooMany

logger = logging.getLogger(__name__)


def refuse_if_open(*, now: datetime) -> None:
    """Refuse a free clip once the day's GPU time for those is used up.

    Raises:
        TooMany: until midnight UTC.
    """
    used = FreeDay.objects.filter(day=now.astimezone(UTC).date()).values_list("gpu_seconds", flat=True).first() or 0
    if used >= settings.FREE_GPU_SECONDS_PER_DAY:
        refills_at = allowance.refills_at(now)
        raise TooMany(
            "free_clips_are_over",
            "The machines have made as many free clips today as they may.",
            next_step=f"They go on at {refills_at:%H:%M} UTC; with a plan or a pack you need not wait.",
            retry_after_seconds=int((refills_at - now).total_seconds()) + 1,
        )


def count(reference: UUID, *, gpu_seconds: float, now: datetime) -> None:
    """Add what a clip took, as far as its credits were free. In the transaction that settles it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_freeday AS today (day, gpu_seconds)
            SELECT %s, %s * sum(drawn.amount) FILTER (WHERE lot.kind = 'free') / sum(drawn.amount)
            FROM ledger_allocation drawn JOIN ledger_lot lot ON lot.id = drawn.lot_id WHERE drawn.hold_id = %s
            HAVING sum(drawn.amount) FILTER (WHERE lot.kind = 'free') > 0
            ON CONFLICT (day) DO UPDATE SET gpu_seconds = today.gpu_seconds + excluded.gpu_seconds
            RETURNING gpu_seconds, gpu_seconds - %s
            """,
            [now.astimezone(UTC).date(), gpu_seconds, reference, gpu_seconds],
        )
        used, before = cursor.fetchone() or (0, 0)
    if before < settings.FREE_GPU_SECONDS_PER_DAY <= used:
        logger.critical("Free clips have taken %.0f GPU seconds today: no more of them until midnight UTC", used)
