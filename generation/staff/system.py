"""The system for staff: processes and queues, what could not be sent, whether the books add up, and versions."""

from __future__ import annotations

import platform
import time
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

import django
import redis
from django.conf import settings
from django.contrib import admin
from django.db import connection as database
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from billing.shop.models import StripeEvent
from generation.models import Generation, State
from generation.scheduling import capacity
from generation.settlement import ledger_check
from generation.webhooks.models import Delivery
from gpu_worker.contract import ATTEMPT_QUEUES
from gpu_worker.liveness import takes_jobs
from gpu_worker.worker_status import WorkerStatus
from loremotion import __version__, health, queues
from loremotion.outbox.models import MailMessage, Retried
from loremotion.valkey import connection

MOST_COUNTED: Final = 1000
LATELY: Final = timedelta(days=7)
MOST_WORKERS: Final = 64
HOLDS: Final = {
    "render": "clips handed to GPUs",
    "remote": "clips handed to remote workers",
    "reports": "results of workers to settle",
    "signing": "finished clips to sign",
    "stripe": "its events to process",
    "webhooks": "events to send to customers",
    "mail": "messages to people",
}
"""Queue → what waits in it."""
_UNKNOWN: Final = "unknown"


def page(request: HttpRequest) -> HttpResponse:
    """Everything at one look, with what staff may see of it linked."""
    try:
        loads = queues.loads([*ATTEMPT_QUEUES, *settings.QUEUE_JOBS])
        processes = health.process_ages()
        statuses = capacity.statuses()
    except redis.RedisError:
        loads, processes, statuses = [], [], []
    context = {
        **admin.site.each_context(request),
        "title": "Processes and queues",
        "processes": processes,
        "workers": [_worker(status) for status in statuses[:MOST_WORKERS]],
        "hidden_workers": max(0, len(statuses) - MOST_WORKERS),
        "queued": Generation.objects.filter(state=State.QUEUED)[:MOST_COUNTED].count(),
        "queues": [{"load": load, "holds": HOLDS.get(load.name, "")} for load in loads],
        "has_failed": any(load.failed for load in loads),
        "unsent": _unsent(),
        "most_counted": MOST_COUNTED,
        "check": ledger_check.last(),
        "versions": _versions(),
    }
    return TemplateResponse(request, "admin/generation/system.html", context)


def _worker(status: WorkerStatus) -> dict[str, Any]:
    """A GPU or remote worker by its last heartbeat, in whose time its host's clock is put right."""
    seconds = time.time() - status.beat_at + status.clock_ahead_seconds
    return {"name": status.name, "seconds": max(0.0, seconds), "state": status.state, "takes_clips": takes_jobs(status)}


def _unsent() -> list[dict[str, Any]]:
    """What waits to be sent and what was given up, by kind, each counted to a bound."""
    since = timezone.now() - LATELY
    kinds: tuple[tuple[str, type[Retried], Q, str], ...] = (
        ("Mail", MailMessage, Q(ended_at__gte=since), "outbox_mailmessage"),
        ("Webhook events", Delivery, Q(ended_at__gte=since), "webhooks_delivery"),
        ("Stripe events", StripeEvent, Q(received_at__gte=since), "shop_stripeevent"),
    )
    return [
        {
            "name": name,
            "waiting": kind._default_manager.filter(state=kind.waiting)[:MOST_COUNTED].count(),
            "dead": kind._default_manager.filter(lately, state=kind.dead)[:MOST_COUNTED].count(),
            "waits_at": f"{reverse(f'admin:{page}_changelist')}?state__exact={kind.waiting}",
            "address": f"{reverse(f'admin:{page}_changelist')}?state__exact={kind.dead}",
        }
        for name, kind, lately, page in kinds
    ]


def _versions() -> list[tuple[str, str]]:
    with database.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgresql = str(cursor.fetchone()[0])
    try:
        told: Any = connection().info("server")
        valkey = str(told.get("valkey_version") or told.get("redis_version") or _UNKNOWN)
    except redis.RedisError:
        valkey = _UNKNOWN
    release = f", release {settings.RELEASE}" if settings.RELEASE else ""
    return [
        ("LoreMotion", f"{__version__}{release}"),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("RQ", version("rq")),
        ("PostgreSQL", postgresql),
        ("Valkey", valkey),
    ]
