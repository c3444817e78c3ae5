"""How anything gets out: claimed by one worker at a time, put off when it fails, dead when its time is over.

A crash at any line loses nothing. A row is written with what it tells; ringing is repeatable, and the beat repeats it;
a claim that nobody ends lapses. So everything is sent at least once, and carries an id by which a second time shows.
"""

from __future__ import annotations

import logging
import random
from datetime import datetime, timedelta
from typing import TypeVar

import redis
from django.db.models import F
from django.utils import timezone
from rq.exceptions import DuplicateJobError

from generation.outbox.models import Outgoing, State
from loremotion import queues

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""Whoever has claimed a row has so long before another may try."""
JOB_SECONDS = 60
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=6)
KEPT = timedelta(days=30)
BATCH = 200
FORGOTTEN_AT_ONCE = 5_000

Row = TypeVar("Row", bound=Outgoing)


def claim(kind: type[Row], row_id: int) -> Row | None:
    """The row, if it is due and nobody else is at it. The attempt counts from here, whatever becomes of it."""
    now = timezone.now()
    due = kind._default_manager.filter(id=row_id, state=State.WAITING, due_at__lte=now)
    if not due.update(due_at=now + LEASE, attempts=F("attempts") + 1):
        return None
    return kind._default_manager.get(id=row_id)


def end(row: Outgoing, state: State, **changes: object) -> None:
    """It is sent, or it never will be."""
    waiting = type(row)._default_manager.filter(id=row.pk, state=State.WAITING)
    waiting.update(state=state, ended_at=timezone.now(), **changes)


def put_off(row: Outgoing, *, error: str, **changes: object) -> None:
    """Try again later, less and less often, until its time is over."""
    due_at = timezone.now() + pause_after(row.attempts)
    if due_at >= row.expires_at:
        give_up(row, error=error, **changes)
    else:
        changes["last_error"] = _kept(error)
        type(row)._default_manager.filter(id=row.pk, state=State.WAITING).update(due_at=due_at, **changes)


def give_up(row: Outgoing, *, error: str, **changes: object) -> None:
    """It never will be sent: ``error`` says why, to staff."""
    end(row, State.DEAD, last_error=_kept(error), **changes)


def _kept(error: str) -> str:
    return error.replace("\x00", "")[:500]


def pause_after(failures: int) -> timedelta:
    """Doubles from ``FIRST_PAUSE`` to ``LONGEST_PAUSE``; a quarter up or down by chance, so that none come in step."""
    pause: timedelta = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(failures, 1) - 1, 20))
    return pause * random.uniform(0.75, 1.25)


def ring(kind: type[Outgoing], rows: list[tuple[int, int]]) -> None:
    """Tell the workers of ``(id, attempts)``. If Valkey is away the beat will.

    A job's name has the minute in it: rung every few seconds while the workers are behind, a row is queued once a
    minute and not more.
    """
    name, job = WORKED_BY[kind._meta.model_name or ""]
    queue = queues.queue(name)
    minute = int(timezone.now().timestamp()) // 60
    try:
        for row_id, attempts in rows:
            try:
                queue.enqueue_call(
                    job,
                    args=(row_id,),
                    timeout=JOB_SECONDS,
                    result_ttl=0,
                    failure_ttl=3_600,
                    job_id=f"{kind._meta.model_name}-{row_id}-{attempts}-{minute}",
                    unique=True,
                )
            except DuplicateJobError:
                logger.debug("%s %s is rung already", kind.__name__, row_id)
    except redis.RedisError as error:
        logger.warning("What is to be sent waits for Valkey: %s", error)


WORKED_BY = {
    "delivery": ("deliveries", "generation.outbox.jobs.deliver"),
    "letter": ("mail", "generation.outbox.jobs.mail"),
}
"""Queue and job of each kind. A queue has workers of its own: only a single queue pops without loss, and neither a slow
mail server nor a slow endpoint keeps the other kind waiting."""


def ring_for_what_is_due(kind: type[Outgoing]) -> int:
    """Tell the workers of every row that waits although it is due. Returns how many."""
    since = timezone.now() - timedelta(seconds=2)
    due = kind._default_manager.filter(state=State.WAITING, due_at__lte=since).order_by("due_at")
    rows = list(due.values_list("id", "attempts")[:BATCH])
    ring(kind, rows)
    return len(rows)


def forget_old(kind: type[Outgoing], *, now: datetime | None = None) -> int:
    """Delete what ended long ago. Returns how many."""
    old = kind._default_manager.filter(ended_at__lt=(now or timezone.now()) - KEPT).order_by("ended_at")
    gone, _ = kind._default_manager.filter(id__in=old.values_list("id", flat=True)[:FORGOTTEN_AT_ONCE]).delete()
    return gone
