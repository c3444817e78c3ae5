"""RQ jobs as data: a queue's jobs name functions of its table, and carry nothing but a call.

RQ's own ``Job`` imports whatever dotted name Valkey holds, be it the function, a callback of an ended job or of one
that was abandoned, and follows webhooks, retries and dependencies from the same record. So whoever writes to Valkey
would run code wherever a worker is. Here a name is looked up, never imported; a record that asks for more is refused.

Stands in ``gpu_worker``, free of torch and of Django, because both sides work off queues, and the website may import
from this package but the package nothing of the website. The tables stand beside the functions that they name.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import redis
import rq.serializers
from rq import SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import as_text, missing_keys
from rq.worker_registration import WORKERS_BY_QUEUE_KEY, get_keys

from gpu_worker.valkey import Unreachable

logger = logging.getLogger(__name__)

Table = Mapping[str, Callable[..., Any]]
"""Dotted name on the wire → the function. Names of the last release stay in it for one more, since jobs that bear them
may lie in the queue when both sides are upgraded."""

_CALL = frozenset({"data", "timeout", "origin", "description", "result_ttl", "failure_ttl", "ttl"})
_LIFE = frozenset({"status", "created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "worker_name"})
_UNREAD = frozenset({"exc_info", "skips"})
"""How it failed is kept for people; how often it was skipped is for ``render_queue``, as is ``_UNREAD_EACH``."""
_UNREAD_EACH = "refused_by:"
_MOST_SECONDS = 2**31
"""What an alarm and Valkey's lifetimes can hold."""
_MOST_BYTES = 16 * 2**20
"""Of a call, inflated: so much that no call of ours comes near it, and so little that a worker can hold it."""

# Where RQ reads a record and was told of no serializer, it unpickles. Nothing of ours is pickled.
rq.serializers.PickleSerializer = JSONSerializer


class Refused(Exception):
    """The job names a function that its queue does not offer, or its record asks for more than a call."""


class AllowedJob(Job):  # type: ignore[misc]  # mypy does not follow rq here
    """A job whose function comes from ``allowed``. By itself it allows nothing, and serves to read and to enqueue."""

    origin: str
    queue = ""
    origins: frozenset[str] = frozenset()
    """The queue and what it was called before. Empty: any."""
    allowed: Table = {}
    extras: tuple[str, ...] = ()
    """What its record asks for besides a call: a callback, a webhook, a retry …"""

    @classmethod
    def fetch(cls, id: str, connection: redis.Redis | None = None, serializer: Any = None) -> AllowedJob:
        """RQ's record of a job.

        Raises:
            NoSuchJobError: there is none, none that can be read, none for this user of Valkey, or RQ makes no such id.
        """
        try:
            job: AllowedJob = super().fetch(id, connection=connection, serializer=serializer)
            return job
        except (ValueError, redis.exceptions.NoPermissionError) as problem:
            raise NoSuchJobError(f"No job has the id {id!r}: {problem}") from problem

    success_callback = failure_callback = stopped_callback = property(lambda self: None)

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read the record, of which only what belongs to a call is kept.

        Raises:
            NoSuchJobError: it cannot be read, asks for more seconds or bytes than there are, or stands in the line of a
                queue that it was not made for: who can write into one line must not have the others' jobs ended. RQ
                drops such a job and goes on.
        """
        fields = {as_text(name): value for name, value in raw_data.items()}
        try:
            record = {name: fields[name] for name in _CALL | _LIFE if name in fields}
            super().restore(record | {"data": inflate(fields["data"])})
            self._check_seconds()
            if self.origins and self.origin not in self.origins:
                raise ValueError(f"it was made for the queue {self.origin!r}")
        except Exception as problem:
            raise NoSuchJobError(f"The record of job {self.id} cannot be read: {problem!r}") from problem
        self.extras = tuple(sorted(name for name, value in fields.items() if value and not _is_known(name)))
        # Whose it is says the worker that has it, not the record: it is also the name of every registry it goes into.
        self.origin = self.queue or self.origin

    def _check_seconds(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < _MOST_SECONDS:
            raise ValueError(f"timeout {self.timeout}")
        for seconds in (self.result_ttl, self.failure_ttl, self.ttl):
            if seconds is not None and not 0 <= seconds < _MOST_SECONDS:
                raise ValueError(f"lifetime {seconds}")

    @property
    def func(self) -> Callable[..., Any]:
        """The function to call: the one place where a name becomes code.

        Raises:
            Refused: it is not of this queue, or the record asks for more than a call.
        """
        name = self.func_name
        if self.extras or self.instance is not None or not isinstance(name, str) or name not in self.allowed:
            more = f" and {', '.join(self.extras)}" if self.extras else ""
            raise Refused(f"The queue {self.queue!r} does not offer {str(name)[:100]!r}{more}")
        return self.allowed[name]


def inflate(data: bytes) -> bytes:
    """The call inside RQ's record of a job, compressed or not.

    Raises:
        ValueError: it is larger than any call.
    """
    try:
        call = zlib.decompressobj().decompress(data, _MOST_BYTES + 1)
    except zlib.error:
        call = data
    if len(call) > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES} bytes")
    return call


def _is_known(field: str) -> bool:
    return field in _CALL | _LIFE | _UNREAD or field.startswith(_UNREAD_EACH)


class AllowedJobWorker(SimpleWorker):  # type: ignore[misc]  # mypy does not follow rq here
    """RQ's worker for one queue and its table. No record that it meets runs anything else or ends it."""

    def __init__(
        self, queue: str, allowed: Table, connection: redis.Redis, *, former: str | None = None, **options: Any
    ) -> None:
        """``former`` is what the queue was called in the last release."""
        job_class: dict[str, Any] = {"queue": queue, "origins": frozenset({queue, former or queue}), "allowed": allowed}
        super().__init__(
            [queue],
            connection=connection,
            serializer=JSONSerializer,
            job_class=type("QueueJob", (AllowedJob,), job_class),
            log_job_description=False,  # it holds what people wrote
            **options,
        )

    workers_prefix = SimpleWorker.redis_worker_namespace_prefix
    """What the keys of all workers of this queue begin with."""

    def check_for_suspension(self, burst: bool) -> None:
        """Nobody suspends workers of ours, and whoever could would stop the site by one key."""

    def run_maintenance_tasks(self) -> None:
        """Clear away what ended or was abandoned, each registry for itself: an odd entry spoils one of them.

        RQ's groups, dependencies and rate limits are not looked at: no job of ours has any.
        """
        [queue] = self.queues
        try:
            if queue.acquire_maintenance_lock():
                for step in (
                    queue.started_job_registry.cleanup,
                    queue.finished_job_registry.cleanup,
                    queue.failed_job_registry.cleanup,
                    self._forget_lapsed_workers,
                    lambda: queue.intermediate_queue.cleanup(self, queue),
                ):
                    try:
                        step()
                    except Unreachable:
                        raise
                    except Exception:
                        logger.exception("Something on the queue %s cannot be cleared away", queue.name)
                queue.release_maintenance_lock()
            self.last_cleaned_at = datetime.now(UTC)
        except Unreachable as problem:
            logger.warning("Clearing away waits for Valkey: %s", problem)

    def _forget_lapsed_workers(self) -> None:
        """Take workers whose record has lapsed, and what is none, off the lists of workers."""
        [queue] = self.queues
        listed = get_keys(queue)
        workers = [key for key in listed if key.startswith(self.workers_prefix)]
        lapsed = listed.difference(workers).union(missing_keys(self.connection, workers))
        if lapsed:
            self.connection.srem(WORKERS_BY_QUEUE_KEY % queue.name, *lapsed)
            self.connection.srem(self.redis_workers_keys, *lapsed)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that the worker lives; while Valkey is away, nobody could hear it.

        In one round trip, where RQ takes three: between two jobs the card waits for it.
        """
        if pipeline is not None:
            super().heartbeat(timeout, pipeline=pipeline)
            return
        try:
            with self.connection.pipeline(transaction=False) as own:
                super().heartbeat(timeout, pipeline=own)
                own.execute()
        except Unreachable as problem:
            logger.info("A heartbeat is missed, Valkey cannot be reached: %s", problem)
