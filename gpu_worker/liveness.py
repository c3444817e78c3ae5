"""Which GPU workers are alive, and which of them take jobs: one answer for the site, the commands and the pop.

A worker is alive while its status lies in Valkey. Each heartbeat puts it there for ``WORKER_DEAD_AFTER_SECONDS``, so
the store's clock decides alone, and a host whose own clock is off is neither dead nor immortal.
"""

from __future__ import annotations

from typing import cast

import redis

from gpu_worker.contract import DRAINING, WORKERS_KEY, WorkerStatus, read_status, worker_key


def live_workers(connection: redis.Redis) -> list[WorkerStatus]:
    """Return the status of every live worker, by name. One whose status cannot be read counts as away."""
    names = sorted(name.decode() for name in cast(list[bytes], connection.zrange(WORKERS_KEY, 0, -1)))
    found = cast(list[bytes | None], connection.mget([worker_key(name) for name in names])) if names else []
    statuses = (read_status(name, status) for name, status in zip(names, found, strict=True))
    return [status for status in statuses if status is not None]


def takes_jobs(status: WorkerStatus) -> bool:
    """Whether this live worker will take another job: not while it is draining or about to leave."""
    return status.state != DRAINING


def workers_taking_jobs(connection: redis.Redis) -> list[WorkerStatus]:
    """Return the live workers that will take another job, by name."""
    return [status for status in live_workers(connection) if takes_jobs(status)]
