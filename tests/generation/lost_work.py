"""Workers that are heard of and time that passes, for tests of what the beat finds lost."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import redis
import time_machine

from generation.models import Generation
from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import WorkerStatus


def heartbeat(
    valkey: redis.Redis,
    name: str = "gpu-test",
    doing: Generation | None = None,
    delivering: Generation | None = None,
) -> None:
    status = WorkerStatus(
        name=name,
        host="h",
        pid=1,
        device="cpu",
        budget_bytes=1,
        generation_id=str(doing.id) if doing else None,
        attempt=doing.attempt if doing else 0,
        delivering_id=str(delivering.id) if delivering else None,
        delivering_attempt=delivering.attempt if delivering else 0,
    )
    valkey.zadd(WORKERS_KEY, {name: time.time()})
    valkey.set(worker_key(name), json.dumps(status.to_wire()), ex=3600)


def in_a_while(seconds: float) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=False)
