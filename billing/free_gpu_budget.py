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
from django.db.models import Sum
from django.utils.translation import gettext as _

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
    # The day's row is what those who ask at once wait for; each sees what the one before has set aside.
    if _add(day, 0.0) + _set_aside(day) >= settings.FREE_GPU_SECONDS_PER_DAY:
        refills_at = allowance.refills_at(now)
        raise TooMany(
            "free_clips_are_over",
            _("Today's free clips are used up for everyone."),
            next_step=_("Free clips are back at %(time)s UTC. With a plan or a pack you don't have to wait.")
            % {"time": f"{refills_at:%H:%M}"},
            retry_after_seconds=int((refills_at - now).total_seconds()) + 1,
        )
    FreeReservation.objects.create(hold_id=reference, day=day, gpu_seconds=expected)


def count(reference: UUID, *, gpu_seconds: float, now: datetime) -> None:
    """Add what a clip took, as far as its credits were free, in place of what was set aside for it. In the transaction
    that settles it."""
    let_go(reference)
    count_attempt(reference, gpu_seconds=gpu_seconds, now=now)


def count_attempt(reference: UUID, *, gpu_seconds: float, now: datetime) -> None:
    """Add what an attempt took that came to nothing, as far as the clip's credits were free. What is set aside stays
    so, for the next attempt. In the transaction that ends this one, after the ledger."""
    took = gpu_seconds * _free_share(reference)
    if took == 0:
        return
    used = _add(now.astimezone(UTC).date(), took)
    if used - took < settings.FREE_GPU_SECONDS_PER_DAY <= used:
        logger.critical("Free clips have taken %.0f GPU seconds today: no more of them until midnight UTC", used)


def let_go(reference: UUID) -> None:
    """Give back what is set aside for a clip, if anything is. In the transaction that ends the clip.

    The day's row is left alone: whoever bans a network ends many clips in one transaction, and would hold it while
    waiting for a clip whose settlement waits for it.
    """
    FreeReservation.objects.filter(hold_id=reference).delete()


def used_today(now: datetime) -> tuple[float, float]:
    """Return the GPU seconds that free clips have taken or set aside today, and how many they may."""
    day = now.astimezone(UTC).date()
    took = FreeDay.objects.filter(day=day).values_list("gpu_seconds", flat=True).first() or 0.0
    return took + _set_aside(day), float(settings.FREE_GPU_SECONDS_PER_DAY)


def forget_old(now: datetime) -> None:
    """Delete what was set aside on days that are over."""
    FreeReservation.objects.filter(day__lt=now.astimezone(UTC).date()).delete()


def _set_aside(day: date) -> float:
    """GPU seconds set aside for that day's open clips. What it reads grows with the open ones alone."""
    of_the_day: float | None = FreeReservation.objects.filter(day=day).aggregate(seconds=Sum("gpu_seconds"))["seconds"]
    return of_the_day or 0.0


def _free_share(reference: UUID) -> float:
    """The share of a clip's hold that came from free credits, 0 to 1."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(drawn.amount) FILTER (WHERE lot.kind = 'free'), 0) / sum(drawn.amount)
            FROM ledger_allocation drawn JOIN ledger_lot lot ON lot.id = drawn.lot_id WHERE drawn.hold_id = %s
            """,
            [reference],
        )
        return float(cursor.fetchone()[0] or 0)


def _add(day: date, gpu_seconds: float) -> float:
    """Add to a day's count and return it. Its row stays locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_freeday AS today (day, gpu_seconds) VALUES (%s, %s)
            ON CONFLICT (day) DO UPDATE SET gpu_seconds = today.gpu_seconds + excluded.gpu_seconds
            RETURNING gpu_seconds
            """,
            [day, gpu_seconds],
        )
        return float(cursor.fetchone()[0])
