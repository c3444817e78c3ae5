"""How work that must not be lost gets done: claimed by one worker at a time, put off when it fails, dead in the end.

A crash at any line loses nothing. A row is written with what makes it necessary; enqueueing is repeatable, and the beat
repeats it; a claim that nobody ends lapses. So everything is done at least once, and whatever is sent carries an id by
which a second time shows.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import redis
from django.db.models import F
from django.utils import timezone
from rq.exceptions import DuplicateJobError

from gpu_worker import backoff
from loremotion import log_ids, queues
from loremotion.outbox.models import Outgoing, Retried

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""Whoever has claimed a row has so long before another may try."""
LONGEST_PAUSE = timedelta(hours=6)
KEPT = timedelta(days=30)
BATCH = 200
FORGOTTEN_AT_ONCE = 5_000
DIED = "The worker died over it every time. Look into its log before you have it tried again."
LATE = "Its time was over before a worker came to it."

Row = TypeVar("Row", bound=Retried)


def work_on(kind: type[Row], key: object, action: Callable[[Row], bool]) -> bool:
    """Claim the row that ``job_argument`` finds and run ``action`` on it, with the row's ids on every line of the log.

    Returns:
        What ``action`` did; False where there is nothing to do, as ``claim`` says.
    """
    row = claim(kind, key)
    if row is None:
        return False
    with log_ids.bound(**row.log_ids):
        return action(row)


def claim(kind: type[Row], key: object) -> Row | None:
    """Claim the row that ``job_argument`` finds. Returns None if it is not due, somebody else is at it, or its time is
    over: a code that opens nothing any more is not sent.

    The attempt counts from here, whatever becomes of it: a row that takes its worker down with it comes to an end too.
    """
    now = timezone.now()
    rows = kind._default_manager.filter(**{kind.job_argument: key})
    if not rows.filter(state=kind.waiting, due_at__lte=now).update(due_at=now + LEASE, attempts=F("attempts") + 1):
        return None
    row = rows.get()
    if row.is_spent(attempts=row.attempts - 1, at=now):
        give_up(row, error=row.last_error or (DIED if row.attempts > 1 else LATE))
        return None
    return row


def end(row: Retried, state: str, **changes: object) -> None:
    """Note that the row is done, or never will be."""
    waiting = type(row)._default_manager.filter(pk=row.pk, state=row.waiting)
    waiting.update(state=state, ended_at=timezone.now(), **row.at_end, **changes)


def put_off(row: Retried, *, error: str, **changes: object) -> bool:
    """Have the row tried again later, less and less often. Returns False where its time is over and it is dead."""
    due_at = timezone.now() + pause_after(row.attempts, first=row.first_pause)
    if row.is_spent(attempts=row.attempts, at=due_at):
        give_up(row, error=error, level=row.failure_level, **changes)
        return False
    changes["last_error"] = _storable(error)
    type(row)._default_manager.filter(pk=row.pk, state=row.waiting).update(due_at=due_at, **changes)
    return True


def give_up(row: Retried, *, error: str, level: int = logging.CRITICAL, **changes: object) -> None:
    """Give the row up for good: ``error`` says why, to staff.

    The log has no word of it, since what is critical there is mailed: it is what others said, often with an address.
    """
    with log_ids.bound(**row.log_ids):
        logger.log(level, "%s %s is given up. The admin's page of it says why.", type(row).__name__, row.pk)
    end(row, row.dead, last_error=_storable(error), **changes)


def _storable(error: str) -> str:
    return error.replace("\x00", "")[:500]


def pause_after(failures: int, *, first: timedelta = Outgoing.first_pause) -> timedelta:
    """The pause after so many failures, up to ``LONGEST_PAUSE``; a quarter up or down by chance, so that none come in
    step.
    """
    return backoff.pause_after(failures, first, LONGEST_PAUSE) * random.uniform(0.75, 1.25)


def enqueue(kind: type[Retried], rows: Iterable[tuple[object, int]]) -> None:
    """Enqueue a job for each row, told by its ``job_argument`` and its attempts. If Valkey is away the beat will.

    A job's id has the minute in it: told of every few seconds while the workers are behind, a row is queued once a
    minute and not more.
    """
    queue = queues.queue(kind.queue)
    minute = int(timezone.now().timestamp()) // 60
    try:
        for key, attempts in rows:
            try:
                queue.enqueue_call(
                    kind.job,
                    args=(key,),
                    timeout=kind.job_seconds,
                    result_ttl=0,
                    failure_ttl=3_600,
                    job_id=f"{kind._meta.model_name}-{key}-{attempts}-{minute}",
                    unique=True,
                )
            except DuplicateJobError:
                logger.debug("%s %s is enqueued already", kind.__name__, key)
    except redis.RedisError as error:
        logger.warning("%s waits for Valkey: %s", kind._meta.verbose_name, error)


def enqueue_due(kind: type[Retried]) -> int:
    """Enqueue every row that waits although it is due. Returns how many."""
    since = timezone.now() - timedelta(seconds=2)  # whoever wrote it may be about to enqueue it
    due = kind._default_manager.filter(state=kind.waiting, due_at__lte=since).order_by("due_at")
    rows: list[tuple[Any, int]] = list(due.values_list(kind.job_argument, "attempts")[:BATCH])
    enqueue(kind, rows)
    return len(rows)


def forget_old(kind: type[Outgoing], *, now: datetime | None = None) -> int:
    """Delete what ended long ago. Returns how many."""
    old = kind._default_manager.filter(ended_at__lt=(now or timezone.now()) - KEPT).order_by("ended_at")
    gone, _ = kind._default_manager.filter(id__in=old.values_list("id", flat=True)[:FORGOTTEN_AT_ONCE]).delete()
    return gone
