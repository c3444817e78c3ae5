"""What each GPU worker was at, minute by minute: for the strip of its last hour, and for how busy the cards are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from generation.models import FleetSample
from generation.scheduling import capacity
from gpu_worker.contract import Stage
from gpu_worker.liveness import takes_jobs
from gpu_worker.worker_status import WorkerStatus

EVERY: Final = timedelta(minutes=1)
KEPT: Final = timedelta(days=30)
MOST_WORKERS: Final = 128
"""That are sampled. Whoever runs a GPU host can write any number of heartbeats."""
FORGOTTEN_AT_ONCE: Final = 5_000
RENDERING, LOADING, IDLE, DRAINING = "rendering", "loading", "idle", "draining"
_BUSY_SQL: Final = """
    SELECT width_bucket(
            extract(epoch FROM at)::float8,
            extract(epoch FROM %(since)s)::float8, extract(epoch FROM %(until)s)::float8, %(parts)s
        ),
        avg((activity = ANY(%(busy)s))::int)
    FROM generation_fleetsample WHERE at >= %(since)s AND at < %(until)s GROUP BY 1
"""
ACTIVITIES: Final = (RENDERING, LOADING, IDLE, DRAINING)


def sweep() -> None:
    """Write one sample of each worker in each minute, and delete those that are older than they are kept."""
    minute = timezone.now().replace(second=0, microsecond=0)
    if FleetSample.objects.filter(at__gte=minute).exists():
        return
    samples = [_sample_of(status, minute) for status in capacity.statuses()[:MOST_WORKERS]]
    FleetSample.objects.bulk_create(samples, ignore_conflicts=True)
    old = FleetSample.objects.filter(at__lt=minute - KEPT).order_by("at").values("id")[:FORGOTTEN_AT_ONCE]
    FleetSample.objects.filter(id__in=list(old.values_list("id", flat=True))).delete()


def activity_of(status: WorkerStatus) -> str:
    """Return what a worker is at, in one word."""
    if status.generation_id:
        return LOADING if status.stage == Stage.LOADING else RENDERING
    return IDLE if takes_jobs(status) else DRAINING


def last_hour(workers: Sequence[str]) -> dict[str, list[str]]:
    """Return for each of ``workers`` what it was at in the last 60 minutes, oldest first; "" where it was away."""
    until = timezone.now().replace(second=0, microsecond=0)
    since = until - timedelta(minutes=59)
    hours = {worker: [""] * 60 for worker in workers}
    rows = FleetSample.objects.filter(at__gte=since, at__lte=until, worker__in=workers)
    for worker, at, activity in rows.values_list("worker", "at", "activity"):
        hours[worker][int((at - since) / EVERY)] = activity
    return hours


def busy_share(since: datetime, until: datetime) -> float | None:
    """Return the share of the workers' minutes in which they loaded or rendered; None where there were none."""
    found = FleetSample.objects.filter(at__gte=since, at__lt=until).aggregate(
        busy=Count("id", filter=Q(activity__in=[LOADING, RENDERING])), every=Count("id")
    )
    return found["busy"] / found["every"] if found["every"] else None


def busy_by_part(since: datetime, until: datetime, *, parts: int) -> list[float | None]:
    """Return ``busy_share`` of each of so many equal parts of the span, in one query."""
    shares: list[float | None] = [None] * parts
    with connection.cursor() as cursor:
        cursor.execute(_BUSY_SQL, {"since": since, "until": until, "parts": parts, "busy": [LOADING, RENDERING]})
        for part, share in cursor.fetchall():
            shares[min(max(part, 1), parts) - 1] = float(share)
    return shares


def _sample_of(status: WorkerStatus, at: datetime) -> FleetSample:
    return FleetSample(
        at=at,
        worker=status.name[:120],
        activity=activity_of(status),
        used_bytes=max(0, status.used_bytes),
        budget_bytes=max(0, status.budget_bytes),
    )
