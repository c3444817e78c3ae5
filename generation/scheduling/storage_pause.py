"""No clip begins while clips cannot be stored: a full disk holds up the queue instead of burning it.

Counted are attempts in a row, of anybody and on any machine, that rendered a clip and could put it nowhere. After a few
of them dispatch waits. When a pause is over, one clip goes out as a probe: if it is stored, everything goes on, and if
not, the next pause is twice as long. One row of the database says so to every process.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy

from generation.models import StoragePause
from gpu_worker.backoff import pause_after

FAILURES_BEFORE_PAUSE = 5
"""So many that one machine with a full disk, or one storm of short errors, among others that work is no reason."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
EXCUSED_ATTEMPTS = 10
"""That a clip has more than others while the pause is in force. One that is itself the cause then makes room."""
REASON = gettext_lazy(
    "We can't store finished clips right now, so new ones are waiting. We keep trying, and everything continues as "
    "soon as it works. Your place is saved."
)


def note_failure() -> None:
    """Count an attempt whose clip could not be stored; from the few-th in a row on, dispatch waits."""
    StoragePause.objects.get_or_create(id=1)
    StoragePause.objects.filter(id=1).update(failures=F("failures") + 1)
    failures = StoragePause.objects.values_list("failures", flat=True).get(id=1)
    if failures >= FAILURES_BEFORE_PAUSE:
        StoragePause.objects.filter(id=1).update(until=timezone.now() + _pause_after(failures))


def note_success() -> None:
    """A clip was stored: nothing waits any more. Writes only where there is something to end."""
    StoragePause.objects.filter(id=1, failures__gt=0).update(failures=0, until=None)


def is_in_force() -> bool:
    """Return whether dispatch waits, or tries with single clips, because clips cannot be stored."""
    return StoragePause.objects.filter(until__isnull=False).exists()


def state() -> StoragePause | None:
    """Return the row while the pause is in force, for whoever shows it."""
    return StoragePause.objects.filter(until__isnull=False).first()


def most_to_dispatch() -> int | None:
    """Return how many clips may begin now: any number (None), none, or the one that is a probe.

    Call it in the transaction that dispatches; who gets the probe sets the next pause.
    """
    pause = state()
    if pause is None:
        return None
    now = timezone.now()
    lapsed = StoragePause.objects.filter(id=1, until__isnull=False, until__lte=now)
    return lapsed.update(until=now + _pause_after(pause.failures))


def _pause_after(failures: int) -> timedelta:
    return pause_after(failures - FAILURES_BEFORE_PAUSE + 1, FIRST_PAUSE, LONGEST_PAUSE)
