"""What the web knows of the GPU workers: what they say of themselves with each heartbeat."""

from __future__ import annotations

import time
from typing import Any

import redis

from gpu_worker.contract import WORKER_DEAD_AFTER_SECONDS, WORKERS_KEY, WorkerStatus, read_status, worker_key
from loremotion.valkey import connection

JOBS_PER_WORKER = 12
"""What a worker can choose among: with two, models change almost as often as jobs (benchmarks/RESULTS.md). Whoever
comes next waits behind them all, so more is not better."""
LEAST_WINDOW = 2
ANYBODYS_BYTES = 2 * 2**30
"""A worker with less is not worth starting. Larger requests wait until one is up that says how large it is."""


def living_names(now: float | None = None) -> set[str]:
    """Workers whose last heartbeat is fresh."""
    oldest = (time.time() if now is None else now) - WORKER_DEAD_AFTER_SECONDS
    names: Any = connection().zrangebyscore(WORKERS_KEY, oldest, "+inf")
    return {name.decode() for name in names}


def statuses() -> list[WorkerStatus]:
    """The living workers' own words, by name."""
    names = sorted(living_names())
    said: Any = connection().mget([worker_key(name) for name in names]) if names else []
    read = (read_status(name, text) for name, text in zip(names, said, strict=True))
    return [status for status in read if status is not None]


def budget_of(status: WorkerStatus) -> int:
    """Bytes that a worker may use; of one that does not say, what anybody will have."""
    return status.budget_bytes if status.budget_bytes > 0 else ANYBODYS_BYTES


def budgets() -> list[int]:
    """Bytes that each worker which takes jobs may use, ascending. While nobody is up: what anybody will have."""
    known = sorted(budget_of(status) for status in statuses() if status.state != "draining")
    return known or [ANYBODYS_BYTES]


def is_up() -> bool:
    """Whether any worker could take a job now."""
    try:
        return bool(living_names())
    except redis.RedisError:
        return False
