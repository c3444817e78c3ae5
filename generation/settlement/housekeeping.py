"""The beat: rounds of sweeps that put right whatever a crash left. Each sweep is idempotent, bounded, and looks only at
what is open."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import redis
from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.db import connection as database
from django.utils import timezone

from accounts import audit, visitors, workspaces
from accounts.oauth import connections
from billing import free_gpu_budget, ledger
from billing.models import Hold
from billing.shop import housekeeping as shop
from catalog.pricing import is_free_reroll
from generation import spending
from generation.models import Generation, State
from generation.moderation import reviews
from generation.notices import notices
from generation.provider_keys import keeping
from generation.scheduling import dispatch, fleet_samples, queue_depth, service_record
from generation.settlement import forecasting, ledger_check, lost_attempts, settle, signing_queue, system_samples
from generation.storage import host_keys, leftovers, retention, traces
from gpu_worker.last_work import LastWork
from gpu_worker.rq_seams import scripts
from loremotion import health
from loremotion.database import keep_connections
from loremotion.outbox import housekeeping as outbox
from loremotion.refusals import Conflict
from loremotion.sweeping import each
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

BATCH = 200
TELLS_EVERY_SECONDS = 300.0
BEAT_LOCK = 7_206_001  # one beat at a time, whatever the number of processes


def beat() -> bool:
    """Run every sweep once. Returns False when another process is in the middle of a round.

    A sweep that fails is logged and does not keep the others from running.
    """
    with keep_connections(), database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [BEAT_LOCK])
        if not cursor.fetchone()[0]:
            return False
        try:
            for sweep in SWEEPS:
                try:
                    sweep()
                except redis.RedisError as error:
                    logger.warning("%s waits for Valkey: %s", sweep.__name__, error)
                except (OperationalError, InterfaceError):
                    raise  # the database is away, which no other sweep would fare better with
                except Exception:
                    logger.exception("%s failed; the others go on", sweep.__name__)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [BEAT_LOCK])
    LastWork(connection(), health.BEAT).note()
    return True


def dispatch_waiting() -> None:
    """Dispatch what was committed and never dispatched."""
    dispatch.fill_window()


def cancel_overdue() -> None:
    """Cancel what was to be cancelled by now (``Cancel-After``)."""
    now = timezone.now()
    overdue = Generation.objects.open().filter(cancel_at__lte=now, cancel_asked_at=None).order_by("cancel_at")

    def cancel(generation: Generation) -> None:
        with suppress(Conflict):  # it ended just now
            settle.cancel(generation)

    each(overdue[:BATCH], cancel)


def repeat_cancels() -> None:
    """Repeat cancels that did not reach their worker."""
    asked = Generation.objects.filter(state=State.RUNNING, cancel_asked_at__isnull=False)
    each(asked[:BATCH], settle.tell_worker_to_stop)


def release_orphaned_holds() -> None:
    """Release holds whose generation has ended without settling them, or never came to be. Never captures."""
    holds = ledger.open_holds(older_than=timezone.now() - timedelta(minutes=1), limit=BATCH)
    needed = set(Generation.objects.open().filter(id__in=[hold.id for hold in holds]).values_list("id", flat=True))

    def release(hold: Hold) -> None:
        # Asked again: a clip that ended since the holds were read has settled its own.
        if hold.id not in needed and ledger.receipt(reference=hold.id).state == Hold.State.OPEN:
            logger.error("Hold %s outlived its generation; releasing it", hold.id)
            with transaction.atomic():
                ledger.release(reference=hold.id, is_our_failure=not is_free_reroll(hold.quote))
                free_gpu_budget.let_go(hold.id)

    each(holds, release)


def expire_credits() -> None:
    """Write down what lapsed, so that balances and lots agree."""
    ledger.expire_due(limit=BATCH)


def log_silent_processes() -> None:
    """Log as critical which processes have stopped, whether Valkey is nearly full, and faults that GPU hosts report."""
    try:
        health.log_full_valkey()
        health.log_silent_processes()
        health.log_gpu_hosts()
    except redis.RedisError as error:
        logger.warning("Which processes work is not known: %s", error)


def erase_closed_workspaces() -> None:
    """Erase closed workspaces whose grace is over, with their clips and files."""
    workspaces.erase_closed(limit=10)


def forget_reviews() -> None:
    """Delete reviews of prompts, and counts of refusals, that are older than they are kept."""
    reviews.forget_old()


def forget_reporters() -> None:
    """Forget who reported what was decided long ago."""
    notices.forget_contacts(limit=BATCH)


def forget_networks() -> None:
    """Forget where visitors came from, and from where something was done, after some days."""
    visitors.forget_networks(limit=BATCH)
    audit.forget_networks(limit=BATCH)


def clean_connections() -> None:
    """Delete tokens of apps that have lapsed, and apps that nobody connected."""
    connections.clean(limit=BATCH)


def load_scripts() -> None:
    """Load the scripts into Valkey, also after it restarted: GPU hosts run them and may not load any."""
    scripts.load(connection())


SWEEPS: tuple[Callable[[], None], ...] = (
    load_scripts,
    lost_attempts.reclaim_overdue,
    lost_attempts.reclaim_from_dead_workers,
    lost_attempts.dispatch_lost,
    dispatch_waiting,
    queue_depth.walk,
    forecasting.put_up_forecast,
    fleet_samples.sweep,
    service_record.sweep,
    system_samples.sweep,
    cancel_overdue,
    repeat_cancels,
    release_orphaned_holds,
    expire_credits,
    spending.sum_up,
    erase_closed_workspaces,
    forget_networks,
    clean_connections,
    signing_queue.enqueue_due,
    retention.sweep_clips,
    retention.sweep_uploads,
    leftovers.sweep_leftovers,
    traces.sweep,
    host_keys.sweep,
    keeping.forget_removed,
    forget_reviews,
    forget_reporters,
    shop.sweep,
    outbox.sweep,
)


def run_forever(*, every_seconds: float, ledger_check_every_seconds: float = 300.0) -> None:
    """Beat until the process is told to stop. A store that is away costs rounds, and nothing else."""
    checked_at = 0.0
    told_at = time.monotonic()  # what is started together with the beat has time to work
    is_away = False
    while True:
        began = time.monotonic()
        close_old_connections()
        try:
            beat()
            if began - checked_at >= ledger_check_every_seconds:
                ledger_check.run()
                checked_at = began
            if began - told_at >= TELLS_EVERY_SECONDS:
                log_silent_processes()
                told_at = began
            is_away = False
        except (OperationalError, InterfaceError) as problem:
            if not is_away:
                logger.warning("Housekeeping waits for the database: %s", problem)
            is_away = True
        except Exception:
            logger.exception("A round of housekeeping failed; the next one begins as if it had not")
        finally:
            close_old_connections()
        time.sleep(max(0.0, every_seconds - (time.monotonic() - began)))
