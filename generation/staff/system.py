"""The system for staff: processes and queues, what could not be sent, whether the books add up, and versions."""

from __future__ import annotations

import platform
import time
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final, cast

import django
import redis
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import PermissionsMixin
from django.db import connection as database
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from billing.shop.models import StripeEvent
from generation.figures import Span
from generation.models import Generation, State
from generation.scheduling import capacity
from generation.settlement import ledger_check, system_samples
from generation.staff import needs, verdict
from generation.staff.tiles import in_one_unit, plot
from generation.webhooks.models import Delivery
from gpu_worker.liveness import takes_jobs
from gpu_worker.valkey_names import ATTEMPT_QUEUES
from gpu_worker.worker_status import WorkerStatus
from loremotion import __version__, health, queues
from loremotion.outbox.models import MailMessage, Retried
from loremotion.read_through import get_or_make
from loremotion.valkey import connection

MOST_COUNTED: Final = 1000
LATELY: Final = timedelta(days=7)
MOST_WORKERS: Final = 64
PLOT_PARTS: Final = 48
MOST_LINES: Final = 4
PLOTS_KEPT_SECONDS: Final = 60
HOLDS: Final = {
    "render": "clips handed to GPUs; one runs also while its model loads",
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
    """Everything at one look, what is wrong first, with what staff may see of it linked."""
    context = admin.site.each_context(request)
    faults = context.pop("faults")  # which every other page has as a banner
    readiness = health.readiness()
    try:
        loads = queues.loads([*ATTEMPT_QUEUES, *settings.QUEUE_JOBS])
        statuses = capacity.statuses()
    except redis.RedisError:
        loads, statuses = [], []
    queued = Generation.objects.filter(state=State.QUEUED)[:MOST_COUNTED].count()
    found = needs.of(cast(PermissionsMixin, request.user))
    troubles = verdict.troubles(
        found,
        faults=faults,
        readiness=readiness,
        queued=queued,
        takes_clips=any(takes_jobs(status) for status in statuses),
    )
    context |= {
        "title": "Processes and queues",
        "troubles": troubles,
        "waiting": needs.total(found),
        "trouble_count": sum(each.count for each in troubles),
        "readiness": readiness,
        "processes": readiness.processes,
        "workers": [_worker(status) for status in statuses[:MOST_WORKERS]],
        "hidden_workers": max(0, len(statuses) - MOST_WORKERS),
        "queued": queued,
        "queues": [{"load": load, "holds": HOLDS.get(load.name, "")} for load in loads],
        "has_failed": any(load.failed for load in loads),
        "unsent": _unsent(),
        "most_counted": MOST_COUNTED,
        "check": ledger_check.last(),
        "versions": _versions(),
        **_last_day(),
    }
    return TemplateResponse(request, "admin/generation/system.html", context)


def health_moved(request: HttpRequest) -> HttpResponse:
    """Where mails and bookmarks of before lead: what is unwell stands on the page of the system."""
    return redirect("admin:system")


def _last_day() -> dict[str, Any]:
    """Plots of the last day, and when their parts begin; none before the beat has written a sample."""
    kept = get_or_make("admin-system:last-day", _count_last_day, seconds=PLOTS_KEPT_SECONDS)
    return {"plots": kept["plots"], "edges": [datetime.fromisoformat(edge) for edge in kept["edges"]]}


def _count_last_day() -> dict[str, Any]:
    span = Span.last(timedelta(days=1), PLOT_PARTS)
    found = system_samples.courses(span.since, span.until, parts=span.parts)
    late = health.late_after_seconds()
    shares = {
        name: [None if each is None else 100 * each / late[name] for each in course]
        for name, course in found.silence.items()
        if name in late
    }
    overdue, unit = in_one_unit(_highest(found.overdue))
    plots = [
        plot("Jobs waiting, by queue", _highest(found.waiting), kind="lines"),
        plot("Longest overdue, by what is sent", overdue, unit=unit, kind="lines"),
        plot("Silence of processes, 100 % is late", _highest(shares), unit="%", kind="lines"),
    ]
    return {"plots": plots if found.waiting else [], "edges": [edge.isoformat() for edge in span.edges]}


def _highest(course: system_samples.Course) -> system_samples.Course:
    """Those few that rose highest: more lines than that nobody tells apart."""
    names = sorted(course, key=lambda name: -max((each or 0 for each in course[name]), default=0))
    return {name: course[name] for name in names[:MOST_LINES]}


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
