"""What a worker says of itself every few seconds, idle or busy."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import redis

from gpu_worker import clock, host_faults
from gpu_worker.host_faults import HostFault
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import HEARTBEAT_SECONDS, WORKER_DEAD_AFTER_SECONDS, WORKERS_KEY, worker_key
from gpu_worker.worker_status import CONTRACT_VERSION, WorkerStatus

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER_SECONDS = 24 * 3600
"""So long the list of names keeps a worker that ended without a word: far more than any clock is off."""


class Heartbeat:
    """Publishes the latest ``WorkerStatus`` from a thread of its own.

    The main thread replaces the whole status with ``show``; the thread only reads it, so neither needs a lock and the
    engine is never asked from two threads. That the thread is alive says nothing of the main thread: the supervisor
    watches that one through the lifeline.
    """

    def __init__(
        self,
        connection: redis.Redis,
        status: WorkerStatus,
        also: Callable[[], None],
        interval_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """``also`` runs with every beat: RQ's own bookkeeping of a live worker."""
        self.status = status
        self._connection = connection
        self._also = also
        self._interval_seconds = interval_seconds
        self._wake = threading.Event()
        self._is_over = False
        self._is_clock_off = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def show(self, status: WorkerStatus) -> None:
        """Publish ``status`` from now on; at once if the state changed, else with the next beat."""
        has_changed = (status.state, status.in_hand) != (self.status.state, self.status.in_hand)
        self.status = status
        if has_changed:
            self._wake.set()

    def stop(self) -> None:
        """End the thread and take the worker off the list."""
        self._is_over = True
        self._wake.set()
        self._thread.join(timeout=2 * HEARTBEAT_SECONDS)
        try:
            withdraw(self._connection, self.status.name)
        except Unreachable as problem:
            logger.info("The worker's status is left to expire: %s", problem)

    def beat(self) -> None:
        """Write one heartbeat."""
        ahead = clock.ahead_seconds(self._connection)
        status = replace(self.status, version=CONTRACT_VERSION, beat_at=time.time(), clock_ahead_seconds=ahead)
        if status.clock_fault and not self._is_clock_off:
            logger.warning("%s", status.clock_fault)
            host_faults.tell(self._connection, status.name, HostFault.CLOCK, now=status.beat_at)
        self._is_clock_off = bool(status.clock_fault)
        with self._connection.pipeline(transaction=False) as pipeline:
            pipeline.set(worker_key(status.name), json.dumps(status.to_wire()), ex=WORKER_DEAD_AFTER_SECONDS)
            pipeline.zadd(WORKERS_KEY, {status.name: status.beat_at})
            pipeline.zremrangebyscore(WORKERS_KEY, "-inf", status.beat_at - FORGOTTEN_AFTER_SECONDS)
            pipeline.execute()
        self._also()

    def _run(self) -> None:
        is_reachable = True
        while not self._is_over:
            self._wake.clear()
            try:
                self.beat()
                is_reachable = True
            except Unreachable as problem:
                if is_reachable:
                    logger.warning("No heartbeat for the moment, Valkey cannot be reached: %s", problem)
                is_reachable = False
            except Exception:
                # A worker that renders but no longer beats would be taken for dead.
                logger.exception("A heartbeat failed")
            self._wake.wait(self._interval_seconds)


def withdraw(connection: redis.Redis, name: str) -> None:
    """Take a worker that is gone off the list at once, instead of after its heartbeat has grown old."""
    with connection.pipeline() as pipeline:
        pipeline.zrem(WORKERS_KEY, name)
        pipeline.delete(worker_key(name))
        pipeline.execute()
