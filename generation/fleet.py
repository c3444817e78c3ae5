"""What the web knows of the GPU workers: what they say of themselves with each heartbeat."""

from __future__ import annotations

import json
import time
from typing import Any

import redis

from gpu_worker.contract import WORKER_DEAD_AFTER_SECONDS, WORKERS_KEY, WorkerStatus, worker_key
from loremotion.valkey import connection

JOBS_PER_WORKER = 8
"""What a worker can choose among: with two, models change almost as often as jobs (benchmarks/RESULTS.md)."""
LEAST_WINDOW = 2


def living_names(now: float | None = None) -> set[str]:
    """Workers whose last heartbeat is fresh."""
    oldest = (time.time() if now is None else now) - WORKER_DEAD_AFTER_SECONDS
    names: Any = connection().zrangebyscore(WORKERS_KEY, oldest, "+inf")
    return {name.decode() for name in names}


def statuses() -> list[WorkerStatus]:
    """The living workers' own words, by name."""
    names = sorted(living_names())
    said: Any = connection().mget([worker_key(name) for name in names]) if names else []
    return [WorkerStatus.from_wire(json.loads(text)) for text in said if text]


def window() -> int:
    """How many jobs may wait in RQ: enough for every worker to look ahead, few enough to keep the order ours."""
    return max(LEAST_WINDOW, JOBS_PER_WORKER * len(living_names()))


def is_up() -> bool:
    """Whether any worker could take a job now."""
    try:
        return bool(living_names())
    except redis.RedisError:
        return False
