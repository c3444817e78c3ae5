"""GPU workers as far as the site knows them: their heartbeats, and samples of what they did."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from generation.models import FleetSample, ForecastHour, Generation, ServiceSpan, SystemSample
from generation.scheduling import dispatch
from generation.settlement import settle
from gpu_worker.contract import Progress
from gpu_worker.last_work import GPU, LastWork
from gpu_worker.valkey_names import RENDER_QUEUE, WORKERS_KEY, job_id, progress_key, worker_key
from gpu_worker.worker_status import CONTRACT_VERSION, ResidentComponent, WorkerStatus
from loremotion import queues
from loremotion.valkey import connection
from tests.lifelike import GB, WORKERS, chance

BEAT_SECONDS: Final = 4


def sample() -> None:
    """Write down what each worker did, minute by minute for two days."""
    now = timezone.now().replace(second=0, microsecond=0)
    rows = []
    for name, _, size, _ in WORKERS:
        at = now - timedelta(days=2)
        while at < now:
            activity = chance.choice(["rendering", "rendering", "rendering", "loading", "idle"])
            for _ in range(chance.randrange(1, 9)):
                if at < now:  # the beat writes the minute that is now
                    rows.append(
                        FleetSample(at=at, worker=name, activity=activity, used_bytes=9 * GB, budget_bytes=size * GB)
                    )
                at += timedelta(minutes=1)
    FleetSample.objects.bulk_create(rows, ignore_conflicts=True)


def record_service(models: Sequence[str]) -> None:
    """Write a month in which models were up but for a few outages, and how long clips of the last day waited."""
    now = timezone.now()
    spans, hours = [], []
    for at, model in enumerate(models):
        began = now - timedelta(days=26)
        for days_ago, minutes in ((19.3, 42), (11.6, 14 + 300 * (at == 2)), (3.2, 6 if at else 75)):
            down = now - timedelta(days=days_ago)
            back = down + timedelta(minutes=minutes)
            spans.append(ServiceSpan(model=model, is_up=True, began_at=began, until_at=down))
            spans.append(ServiceSpan(model=model, is_up=False, began_at=down, until_at=back))
            began = back
        spans.append(ServiceSpan(model=model, is_up=True, began_at=began, until_at=now))
        for hour in range(1, 24):
            told = chance.randrange(4, 40)
            waits = {"24": told // 2, "28": told // 3, "32": told - told // 2 - told // 3}
            hours.append(
                ForecastHour(
                    hour=(now - timedelta(hours=hour)).replace(minute=0, second=0, microsecond=0),
                    model=model,
                    tier="paid",
                    told=told,
                    before=told - told // 12,
                    inside=told - told // 6,
                    waits=waits,
                )
            )
    ServiceSpan.objects.bulk_create(spans)
    ForecastHour.objects.bulk_create(hours, ignore_conflicts=True)


def sample_system() -> None:
    """Write down how queues and processes stood for a day, minute by minute, with an hour in which no mail was sent."""
    now = timezone.now().replace(second=0, microsecond=0)
    quiet = {each: 0 for each in (RENDER_QUEUE, *settings.QUEUE_JOBS)}
    silent = dict.fromkeys((*settings.QUEUE_JOBS, "web", "beat", GPU), 4)
    rows = []
    for minutes in range(1, 24 * 60):
        late = max(0, 60 - abs(minutes - 400))
        waiting = {RENDER_QUEUE: chance.randrange(2, 9), "reports": chance.randrange(3), "mail": late}
        silence = {"mail": 4 + 2 * late, GPU: chance.randrange(1, 200), "beat": chance.randrange(1, 40)}
        rows.append(
            SystemSample(
                at=now - timedelta(minutes=minutes),
                waiting=quiet | waiting,
                silence=silent | silence,
                overdue={"mail": 60 * late, "webhooks": chance.randrange(20), "stripe": 0},
            )
        )
    SystemSample.objects.bulk_create(rows, ignore_conflicts=True)


def beat_for_ever() -> None:
    """Send the workers' heartbeats until the process is ended; those that are busy have a clip in hand."""
    dispatch.fill_window()
    busy = [name for name, *_, state in WORKERS if state == "busy"]
    dispatched = Generation.objects.filter(state="dispatched").order_by("fair_finish", "created_at")
    in_hand = dict(zip(busy, dispatched.select_related("version__model")[: len(busy)], strict=False))
    began = time.time()
    works = LastWork(connection(), GPU)
    while True:
        works.note()
        for worker, clip in in_hand.items():
            _take(clip, worker)
        for name, device, size, state in WORKERS:
            beat(name, device, size, state, in_hand.get(name), began)
        time.sleep(BEAT_SECONDS)


def _take(clip: Generation, worker: str) -> None:
    """Begin the clip as a worker does, which takes its job from RQ's list; again where the beat took it back."""
    clip.refresh_from_db(fields=["state", "attempt"])
    if clip.state == "dispatched":
        settle.start(generation_id=clip.id, attempt=clip.attempt, worker=worker)
        render = queues.queue(RENDER_QUEUE)
        job = job_id(str(clip.id), clip.attempt)
        connection().lrem(render.key, 0, job)
        connection().zadd(render.started_job_registry.key, {f"{job}:{worker}": time.time() + 86_400})


def beat(name: str, device: str, size: int, state: str, clip: Generation | None, began: float) -> None:
    """Send one heartbeat of a worker, with a step of ``clip`` where it has one in hand."""
    model = clip.version.model.name if clip else "Wan 2.1 1.3B"
    work: dict[str, Any] = {}
    if clip is not None:
        work = {"generation_id": str(clip.id), "attempt": clip.attempt, "stage": "denoising"}
    parts = [("transformer", 0.42, bool(clip)), ("text encoder", 0.2, False), ("VAE", 0.04, False)]
    status = WorkerStatus(
        name=name,
        version=CONTRACT_VERSION,
        host=f"{name}.example.org",
        device=device,
        driver="580.65, CUDA 12.8",
        budget_bytes=size * GB,
        used_bytes=int(0.66 * size * GB),
        state=state,
        residents=tuple(
            ResidentComponent(
                key=f"{model}/{part}",
                name=f"{model} {part}",
                size_bytes=int(share * size * GB),
                tier="device",
                leases=int(in_use),
            )
            for part, share, in_use in parts
        ),
        **work,
        started_at=began,
        beat_at=time.time(),
    )
    store = connection()
    store.zadd(WORKERS_KEY, {name: time.time()})
    store.set(worker_key(name), json.dumps(status.to_wire()), ex=5 * BEAT_SECONDS)
    if clip:
        step = Progress(kind="step", stage="denoising", step=max(1, clip.steps // 2), steps_total=clip.steps)
        store.xadd(progress_key(str(clip.id)), {"event": "step", "data": json.dumps(step.to_wire())}, maxlen=4)
