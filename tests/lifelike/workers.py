"""GPU workers as far as the site knows them: their heartbeats, and samples of what they did."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from generation.models import FleetSample, Generation
from generation.scheduling import dispatch
from generation.settlement import settle
from gpu_worker.contract import WORKERS_KEY, Progress, progress_key, worker_key
from gpu_worker.last_work import GPU, LastWork
from gpu_worker.worker_status import CONTRACT_VERSION, ResidentComponent, WorkerStatus
from loremotion.valkey import connection
from tests.lifelike import GB, WORKERS, chance

BEAT_SECONDS: Final = 4


def sample() -> None:
    """Write down what each worker did, minute by minute for two days."""
    now = timezone.now().replace(second=0, microsecond=0)
    rows = []
    for name, _, size, _ in WORKERS:
        at = now - timedelta(days=2)
        while at <= now:
            activity = chance.choice(["rendering", "rendering", "loading", "idle"])
            for _ in range(chance.randrange(1, 9)):
                rows.append(
                    FleetSample(at=at, worker=name, activity=activity, used_bytes=9 * GB, budget_bytes=size * GB)
                )
                at += timedelta(minutes=1)
    FleetSample.objects.bulk_create(rows, ignore_conflicts=True)


def beat_for_ever() -> None:
    """Send the workers' heartbeats until the process is ended; the first one has a clip in hand."""
    dispatch.fill_window()
    clip = Generation.objects.filter(state="dispatched").order_by("fair_finish", "created_at").first()
    if clip is not None:
        settle.start(generation_id=clip.id, attempt=clip.attempt, worker=WORKERS[0][0])
    began = time.time()
    works = LastWork(connection(), GPU)
    while True:
        works.note()
        if clip is not None:
            clip.refresh_from_db()
            if clip.state == "dispatched":  # the beat found no worker of RQ at it
                settle.start(generation_id=clip.id, attempt=clip.attempt, worker=WORKERS[0][0])
        for at, (name, device, size, state) in enumerate(WORKERS):
            beat(name, device, size, state, clip if at == 0 else None, began)
        time.sleep(BEAT_SECONDS)


def beat(name: str, device: str, size: int, state: str, clip: Any, began: float) -> None:
    """Send one heartbeat of a worker, with a step of ``clip`` where it has one in hand."""
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
                key=f"wan/{part}",
                name=f"Wan 2.1 1.3B {part}",
                size_bytes=int(share * size * GB),
                tier="device",
                leases=int(in_use),
            )
            for part, share, in_use in parts
        ),
        **({"generation_id": str(clip.id), "attempt": clip.attempt, "stage": "denoising"} if clip else {}),
        started_at=began,
        beat_at=time.time(),
    )
    store = connection()
    store.zadd(WORKERS_KEY, {name: time.time()})
    store.set(worker_key(name), json.dumps(status.to_wire()), ex=5 * BEAT_SECONDS)
    if clip:
        step = Progress(kind="step", stage="denoising", step=12, steps_total=30)
        store.xadd(progress_key(str(clip.id)), {"event": "step", "data": json.dumps(step.to_wire())}, maxlen=4)
