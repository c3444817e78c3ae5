"""The pop: the ``render`` list as a worker sees it, and taking a job out of it without ever losing one.

RQ's own pop takes the first. Ours takes the one that ``job_choice.choose`` chose, by two short Lua scripts, so that a
job is at every instant in the list or in RQ's intermediate queue, and then its id is also under ``holding_key`` of the
worker that has it. A third notes in the job which workers cannot hold it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

import redis
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job
from rq.queue import Queue

from gpu_worker.contract import RenderJob
from gpu_worker.job_choice import LOOKS, Bounds, Waiting
from gpu_worker.liveness import workers_taking_jobs
from gpu_worker.rq_seams.allowed_jobs import inflate
from gpu_worker.rq_seams.scripts import LOOK, REFUSE, TAKE, needing_scripts
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_FUNCTION, RENDER_QUEUE, holding_key


class RenderQueue:
    """The ``render`` list as one worker sees it."""

    def __init__(self, connection: redis.Redis, worker: str, bounds: Bounds, queue: str = RENDER_QUEUE) -> None:
        self.connection = connection
        self.worker = worker
        self.bounds = bounds
        self.key = f"{Queue.redis_queue_namespace_prefix}{queue}"
        self._is_remote = queue == REMOTE_QUEUE
        self._prefix = f"{Job.redis_job_namespace_prefix}"
        self._look = connection.register_script(LOOK)
        self._take = connection.register_script(TAKE)
        self._refuse = connection.register_script(REFUSE)

    def wait(self, timeout_seconds: float) -> bool:
        """Block until a job waits, and take nothing: True as soon as there is one.

        The head of the list is moved onto itself. That wakes every idle worker within a millisecond, changes nothing,
        and may be interrupted at any point, which a blocking pop may not.
        """
        moved = self.connection.blmove(self.key, self.key, cast(int, timeout_seconds), "LEFT", "LEFT")
        return moved is not None

    def window(self, windows: int = 1) -> list[Waiting]:
        """The first jobs in line, or the first of so many windows. Ids whose job was deleted are dropped from the list
        on the way."""
        now = time.time()
        with needing_scripts():
            rows = self._look(keys=[self.key], args=[windows * self.bounds.window, self._prefix])
        return [
            Waiting(job_id.decode(), read(data), _waited_seconds(enqueued_at, now), skips)
            for job_id, data, enqueued_at, skips in cast(Iterable[tuple[bytes, bytes, bytes, int]], rows)
        ]

    def ids(self, windows: int) -> list[str]:
        """RQ's ids of the first of so many windows. What they ask for is not read."""
        found = cast(list[bytes], self.connection.lrange(self.key, 0, windows * self.bounds.window - 1))
        return [each.decode(errors="replace") for each in found]

    def take(self, job_id: str, unfit: Iterable[str] = ()) -> bool:
        """Move the job into RQ's intermediate queue and into this worker's hands, in one step.

        ``unfit`` are ids before it that this card cannot hold: passing them by does not count as a skip. False when
        another worker was quicker, or when a job before it was overtaken for the last allowed time meanwhile.
        """
        intermediate = IntermediateQueue.get_intermediate_queue_key(self.key)
        with needing_scripts():
            taken = self._take(
                keys=[self.key, intermediate, holding_key(self.worker)],
                args=[job_id, LOOKS * self.bounds.window, self._prefix, self.bounds.max_skips, *unfit],
            )
        return bool(taken)

    def workers_taking_jobs(self) -> frozenset[str]:
        """Return the names of all that take jobs from this line."""
        return frozenset(s.name for s in workers_taking_jobs(self.connection) if s.is_remote == self._is_remote)

    def is_refused_by_all(self, job_id: str, takers: Iterable[str]) -> bool:
        """Note that this worker cannot hold the job; True when none of ``takers`` can."""
        with needing_scripts():
            noted = self._refuse(keys=[self._prefix + job_id], args=[self.worker])
        refusing = {name.decode() for name in cast(Iterable[bytes], noted)}
        return bool(refusing) and refusing.issuperset({*takers} - {self.worker})

    def release(self) -> None:
        """The job that was taken has ended and is reported."""
        self.connection.delete(holding_key(self.worker))


def read(data: bytes) -> RenderJob | None:
    """The job inside RQ's own record of it, or None where it is not one of ours."""
    try:
        function, _, args, _ = cast(list[Any], json.loads(inflate(data)))
        return RenderJob.from_wire(args[0]) if function == RENDER_FUNCTION else None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def secret_in(data: bytes) -> str:
    """Return the secret inside RQ's own record of an attempt, also where the rest of the job cannot be read."""
    try:
        secret = cast(list[Any], json.loads(inflate(data)))[2][0]["secret"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return ""
    return secret if isinstance(secret, str) else ""


def _waited_seconds(enqueued_at: bytes, now: float) -> float:
    """Seconds in line by the website's clock; 0 where RQ noted no time."""
    try:
        return max(0.0, now - datetime.fromisoformat(enqueued_at.decode()).timestamp())
    except (ValueError, OverflowError):
        return 0.0
