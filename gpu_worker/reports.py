"""What the website has to hear: an attempt has begun, has ended, or has lost its worker.

Each is one RQ job on the ``reports`` queue, whose id names the attempt: said twice, it is one job. It is written
straight into RQ, since the server keeps a GPU host from every other job and queue (``rq_seams.valkey_rights``). The
server may be away for a while; a report is repeated until it is there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import redis

from gpu_worker.backoff import pauses_seconds
from gpu_worker.contract import KeyTest, RenderJob, RenderReport
from gpu_worker.rq_seams.unique_job import enqueue_once
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import (
    FINISHED_FUNCTION,
    KEY_TESTED_FUNCTION,
    REPORTS_QUEUE,
    STARTED_FUNCTION,
    WORKER_LOST_FUNCTION,
    attempt_of,
    report_id,
)

logger = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600
PATIENCE_SECONDS = 900.0

Attempt = tuple[str, int, str]
"""Of which generation, the how many-eth, and its secret."""


class Reports:
    """The ``reports`` queue."""

    def __init__(
        self,
        connection: redis.Redis,
        worker: str,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._worker = worker
        self._pause = pause

    def started(self, job: RenderJob) -> None:
        """Report that an attempt has begun, without insisting: its end says so too."""
        said = (job.generation_id, job.attempt, self._worker, *_known(job.secret))
        try:
            self._enqueue("started", (job.generation_id, job.attempt, job.secret), STARTED_FUNCTION, *said)
        except Unreachable as problem:
            logger.warning("The begin of %s is not reported: %s", job.generation_id, problem)

    def finished(self, report: RenderReport, *, while_waiting: Callable[[], None] = lambda: None) -> None:
        """Return once the report is in the queue. ``while_waiting`` is called before every repetition.

        Raises:
            redis.ConnectionError, redis.TimeoutError: the server stayed away for ``PATIENCE_SECONDS``.
        """
        attempt = (report.generation_id, report.attempt, report.secret)
        self._insist("finished", attempt, while_waiting, FINISHED_FUNCTION, report.to_wire())

    def lost(self, attempt: str, reason: str, secret: str = "") -> None:
        """Report that the worker of ``attempt`` (RQ's id of it) is gone. ``reason`` finishes "it was lost: …".

        Args:
            secret: of the attempt. The website does not believe a report without, and finds the loss out by itself.

        Raises:
            as ``finished``.
        """
        try:
            generation_id, number = attempt_of(attempt)
        except ValueError as problem:
            logger.error("%s, and cannot be handed back.", problem)
            return
        said = (generation_id, number, self._worker, reason, *_known(secret))
        self._insist("lost", (generation_id, number, secret), lambda: None, WORKER_LOST_FUNCTION, *said)

    def key_tested(self, key_id: str, number: int, secret: str, result: KeyTest, words: str) -> None:
        """Report what came of a test of a key. Whoever asked looks for a minute, so nobody insists."""
        said = (key_id, number, secret, result.value, words)
        try:
            self._enqueue("key", (key_id, number, secret), KEY_TESTED_FUNCTION, *said)
        except Unreachable as problem:
            logger.warning("The test of the key %s is not reported: %s", key_id, problem)

    def _insist(
        self, kind: str, attempt: Attempt, while_waiting: Callable[[], None], function: str, *args: Any
    ) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in pauses_seconds():
            try:
                return self._enqueue(kind, attempt, function, *args)
            except Unreachable as problem:
                if time.monotonic() > deadline:
                    raise
                logger.warning("'%s' of %s waits for Valkey: %s", kind, attempt[0], problem)
            while_waiting()
            self._pause(pause)

    def _enqueue(self, kind: str, attempt: Attempt, function: str, *args: Any) -> None:
        job_id = report_id(kind, *attempt)
        if not enqueue_once(self._connection, REPORTS_QUEUE, job_id, function, args, kept_seconds=KEPT_SECONDS):
            logger.info("'%s' of %s has been reported before", kind, attempt[0])


def _known(secret: str) -> tuple[str, ...]:
    """The secret as a last argument; nothing for a website of the release before secrets, which takes none."""
    return (secret,) if secret else ()
