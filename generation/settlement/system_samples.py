"""How processes and queues stood, minute by minute: for the plots of the last day on the admin's System page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from billing.shop.models import StripeEvent
from generation.models import SystemSample
from generation.webhooks.models import Delivery
from gpu_worker.valkey_names import ATTEMPT_QUEUES
from loremotion import health, queues
from loremotion.outbox.models import MailMessage, Retried

KEPT: Final = timedelta(days=7)
FORGOTTEN_AT_ONCE: Final = 5_000
SENT: Final[tuple[type[Retried], ...]] = (MailMessage, Delivery, StripeEvent)

Course = dict[str, list[float | None]]
"""Name → its figure in each part of a span, None where no sample is."""


@dataclass(frozen=True, slots=True)
class Courses:
    """The most of each figure in each part of a span."""

    waiting: Course
    silence: Course
    overdue: Course


def sweep() -> None:
    """Write one sample in each minute, and delete those that are older than they are kept.

    Raises:
        redis.RedisError: Valkey is away, and this minute has no sample.
    """
    now = timezone.now()
    minute = now.replace(second=0, microsecond=0)
    if SystemSample.objects.filter(at__gte=minute).exists():
        return
    sample = SystemSample(
        at=minute,
        waiting={load.name: load.waiting for load in queues.loads([*ATTEMPT_QUEUES, *settings.QUEUE_JOBS])},
        silence={each.name: round(each.seconds) for each in health.process_ages() if each.seconds is not None},
        overdue={kind.queue: _overdue_seconds(kind, now) for kind in SENT},
    )
    SystemSample.objects.bulk_create([sample], ignore_conflicts=True)
    old = SystemSample.objects.filter(at__lt=minute - KEPT).order_by("at").values_list("id", flat=True)
    SystemSample.objects.filter(id__in=list(old[:FORGOTTEN_AT_ONCE])).delete()


def courses(since: datetime, until: datetime, *, parts: int) -> Courses:
    """Return how queues, processes and what is sent went in each of so many equal parts of the span, in one query."""
    samples = list(SystemSample.objects.filter(at__gte=since, at__lt=until).order_by("at"))

    def place_of(at: datetime) -> int:
        return min(int(parts * ((at - since) / (until - since))), parts - 1)

    return Courses(
        waiting=_course([(each.at, each.waiting) for each in samples], parts, place_of),
        silence=_course([(each.at, each.silence) for each in samples], parts, place_of),
        overdue=_course([(each.at, each.overdue) for each in samples], parts, place_of),
    )


def _course(
    samples: Iterable[tuple[datetime, Mapping[str, float]]], parts: int, place_of: Callable[[datetime], int]
) -> Course:
    found: Course = {}
    for at, figures in samples:
        for name, figure in figures.items():
            course = found.setdefault(name, [None] * parts)
            place = place_of(at)
            course[place] = max(figure, course[place] or 0)
    return found


def _overdue_seconds(kind: type[Retried], now: datetime) -> int:
    """For how long the first row of a kind should have been sent: what waits for its next attempt is not late."""
    due = kind._default_manager.filter(state=kind.waiting, due_at__lt=now).order_by("due_at")
    first = due.values_list("due_at", flat=True).first()
    return round((now - first).total_seconds()) if first is not None else 0
