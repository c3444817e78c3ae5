"""Which GPU workers are alive, and which of them take jobs: one answer for the site, the commands and the pop.

A worker is alive while its status lies in Valkey. Each heartbeat puts it there for ``WORKER_DEAD_AFTER_SECONDS``, so
the store's clock decides alone, and a host whose own clock is off is neither dead nor immortal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import redis

from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import DRAINING, WorkerStatus, read_status

MOST_WORKERS = 10_000
"""Names that are looked at. Whoever writes one can write any number."""
_MOST_CHARACTERS = 200


def live_workers(connection: redis.Redis) -> list[WorkerStatus]:
    """Return the status of every live worker, by name. One whose name or status cannot be read counts as away."""
    return statuses_of(connection, cast(list[bytes], connection.zrange(WORKERS_KEY, 0, MOST_WORKERS - 1)))


def statuses_of(connection: redis.Redis, raw_names: list[bytes]) -> list[WorkerStatus]:
    """``live_workers``, whose names were read with something else: the first ``MOST_WORKERS`` under ``WORKERS_KEY``."""
    names = sorted(_readable(raw_names))
    found = cast(list[bytes | None], connection.mget([worker_key(name) for name in names])) if names else []
    statuses = (read_status(name, status) for name, status in zip(names, found, strict=True))
    return [status for status in statuses if status is not None]


def _readable(names: list[bytes]) -> Iterator[str]:
    """The names that a worker could have: any GPU host can put others beside them."""
    for raw in names:
        name = raw.decode(errors="replace")
        if 0 < len(name) <= _MOST_CHARACTERS and name.isprintable() and "\N{REPLACEMENT CHARACTER}" not in name:
            yield name


def takes_jobs(status: WorkerStatus) -> bool:
    """Whether a live worker will take another job: not while it is draining or about to leave."""
    return status.state != DRAINING


def workers_taking_jobs(connection: redis.Redis) -> list[WorkerStatus]:
    """Return the live workers that will take another job, by name."""
    return [status for status in live_workers(connection) if takes_jobs(status)]
