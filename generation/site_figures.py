"""Figures of the whole site for Prometheus. Each is bounded, whatever the history and the queue; none names anybody."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

import redis
from django.conf import settings
from django.db.models import Min, Sum
from django.utils import timezone
from prometheus_client.core import Metric

from billing.shop.models import Mismatch, Reconciliation, StripeEvent
from generation.models import ForecastHour, Generation, State
from generation.scheduling import capacity, forecast_board, storage_pause
from generation.scheduling.forecast_record import FREE, PAID
from generation.scheduling.service_times import Spread
from generation.settlement import ledger_check
from generation.tiers import FREE_BEGINS, yields
from generation.webhooks.models import Delivery
from gpu_worker.liveness import takes_jobs
from gpu_worker.valkey_names import ATTEMPT_QUEUES
from loremotion import health, queues, valkey_memory
from loremotion.metrics import gauge
from loremotion.outbox.models import MailMessage, Retried

MOST_COUNTED: Final = 10_000
"""Of what waits: counting on would grow with it."""
OUTBOXES: Final[tuple[type[Retried], ...]] = (MailMessage, Delivery, StripeEvent)
_NO_TIME: Final = Spread(0.0, 0.0)
LATELY: Final = timedelta(days=1)

logger = logging.getLogger(__name__)


def collect() -> Iterator[Metric]:
    """Yield the site's figures. Where a store is away, those of the other one are there."""
    for part in (_queue, _outboxes, _books, _forecasts):
        yield from part()
    for asks_valkey in (_predictions, _machines, _rq_queues, _processes, _valkey):
        yield from _unless_away(asks_valkey)
    yield gauge("media_free_bytes", "Free space where clips and uploads go", health.free_bytes())


def _unless_away(part: Callable[[], Iterable[Metric]]) -> list[Metric]:
    try:
        return list(part())
    except redis.RedisError as problem:
        logger.warning("Figures are left out: %s", problem)
        return []


def _queue() -> Iterator[Metric]:
    """Clips by state, and how long the first in line has waited."""
    now = timezone.now()
    waiting = Generation.objects.filter(state=State.QUEUED)
    tiers = {PAID: waiting.filter(fair_finish__lt=FREE_BEGINS), FREE: waiting.filter(fair_finish__gte=FREE_BEGINS)}
    counts = {tier: rows[:MOST_COUNTED].count() for tier, rows in tiers.items()}
    yield gauge("clips_waiting", f"Clips in the fair queue, {MOST_COUNTED} at most", counts, "tier")
    ages = {}
    for tier, rows in tiers.items():
        first = rows.order_by("fair_finish", "id").values_list("created_at", flat=True).first()
        ages[tier] = (now - first).total_seconds() if first is not None else 0.0
    yield gauge("next_clip_age_seconds", "How long the clip that is next in the fair queue has waited", ages, "tier")
    open_states = (State.DISPATCHED, State.RUNNING)
    in_hand = {str(state): Generation.objects.filter(state=state)[:MOST_COUNTED].count() for state in open_states}
    yield gauge("clips_in_hand", "Clips with a GPU worker, or in line for one", in_hand, "state")
    paused = float(storage_pause.is_in_force())
    yield gauge("storage_paused", "1 while nothing is dispatched because clips cannot be stored", paused)


def _outboxes() -> Iterator[Metric]:
    """What has to be done at least once: mail, webhooks, and what Stripe told."""
    now = timezone.now()
    due, ages, dead = {}, {}, {}
    for kind in OUTBOXES:
        waiting = kind._default_manager.filter(state=kind.waiting, due_at__lte=now)
        oldest = waiting.aggregate(oldest=Min("due_at"))["oldest"]
        due[kind.queue] = waiting[:MOST_COUNTED].count()
        ages[kind.queue] = (now - oldest).total_seconds() if oldest is not None else 0.0
        lately = kind._default_manager.filter(state=kind.dead, ended_at__gte=now - LATELY)
        dead[kind.queue] = lately[:MOST_COUNTED].count()
    yield gauge("outbox_due", "What is due to be sent or done", due, "queue")
    yield gauge("outbox_oldest_due_seconds", "For how long the oldest of it has been due", ages, "queue")
    yield gauge("outbox_dead", "What failed to the end within a day", dead, "queue")


def _books() -> Iterator[Metric]:
    """Whether the books add up, here and with Stripe."""
    now = timezone.now()
    last = (
        Reconciliation.objects.filter(kind=Reconciliation.Kind.BOOKS, finished_at__isnull=False).order_by("-id").first()
    )
    if last is not None and last.finished_at is not None:
        age = (now - last.finished_at).total_seconds()
        unmended = Mismatch.objects.open()[:MOST_COUNTED].count()
        yield gauge("stripe_compared_seconds", "Since the books were last compared with Stripe", age)
        yield gauge("stripe_differences", "Differences that the last comparison could not mend", unmended)
    if (checked := ledger_check.last()) is not None:
        yield gauge("ledger_checked_seconds", "Since the ledger was last checked", (now - checked.at).total_seconds())
        yield gauge("ledger_violations", "Violations that the last check found", len(checked.violations))


def _forecasts() -> Iterator[Metric]:
    """How often forecasts of the last day held."""
    hours = ForecastHour.objects.filter(hour__gte=timezone.now() - LATELY)
    counts = {row["tier"]: row for row in hours.values("tier").annotate(all=Sum("told"), held=Sum("before"))}
    told = {tier: float(row["all"]) for tier, row in counts.items()}
    held = {tier: row["held"] / row["all"] for tier, row in counts.items() if row["all"]}
    yield gauge("forecasts_told", "Forecasts of the last day whose clip has ended", told, "tier")
    yield gauge("forecast_coverage", "Share of them whose clip was ready by the later end", held, "tier")


def _predictions() -> Iterator[Metric]:
    """When the last who waits would start, by tier: what more GPU workers would change. Nothing while nobody takes
    clips."""
    if (places := forecast_board.places()) is None:
        return
    last = {FREE if yields(tag) else PAID: tag for tag in places.forecast.tags}  # ascending
    expected = {tier: places.expected(tag, _NO_TIME, tier=tier, now=time.time()) for tier, tag in last.items()}
    starts = {tier: each.start.high for tier, each in expected.items() if each is not None}
    meaning = "Within how many seconds the last who waits, or would if asked for now, starts in nine of ten cases"
    yield gauge("predicted_start_seconds", meaning, starts, "tier")


def _machines() -> Iterator[Metric]:
    """GPU workers by what they do."""
    statuses = capacity.statuses()
    states = Counter(status.state for status in statuses)
    known = {state: float(states[state]) for state in ("starting", "idle", "busy", "draining")}
    yield gauge("gpu_workers", "GPU workers that are alive, by what they do", known, "state")
    making = float(sum(status.generation_id is not None and not status.is_remote for status in statuses))
    yield gauge("gpus_busy", "GPUs that are at a clip", making)
    taking = float(sum(takes_jobs(status) for status in statuses))
    yield gauge("gpu_workers_taking", "GPU workers that take jobs", taking)


def _rq_queues() -> Iterator[Metric]:
    """RQ's queues."""
    loads = queues.loads([*settings.QUEUE_JOBS, *ATTEMPT_QUEUES])
    yield gauge("rq_waiting", "Jobs in line", {load.name: load.waiting for load in loads}, "queue")
    yield gauge("rq_running", "Jobs that are worked on", {load.name: load.running for load in loads}, "queue")
    yield gauge("rq_failed", "Jobs that failed and are still kept", {load.name: load.failed for load in loads}, "queue")


def _processes() -> Iterator[Metric]:
    """When each kind of process last did its work."""
    ages = health.process_ages()
    known = {each.name: each.seconds for each in ages if each.seconds is not None}
    yield gauge("process_age_seconds", "Since a process of this kind last did its work", known, "process")
    late = {each.name: float(each.is_late) for each in ages}
    yield gauge("process_late", "1 where that is longer ago than it should be", late, "process")


def _valkey() -> Iterator[Metric]:
    yield gauge("valkey_used_share", "How full Valkey is", valkey_memory.used_share())
