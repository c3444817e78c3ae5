"""What GPU workers call, by dotted name through the ``reports`` queue. JSON in, one service call each.

Anybody who can write to Valkey can call these, so each is refused unless its sender knows the secret of the attempt.
Jobs of the release before there were secrets call them without the last argument.
"""

from __future__ import annotations

import logging
from typing import Any

from generation.provider_keys import keeping
from generation.settlement import lost_attempts, settle, signing_queue
from generation.settlement.verification import NotBelieved, read_report, verify_sender
from gpu_worker import log_context
from gpu_worker.valkey_names import FINISHED_FUNCTION, KEY_TESTED_FUNCTION, STARTED_FUNCTION, WORKER_LOST_FUNCTION
from loremotion.queues import Table

logger = logging.getLogger(__name__)


def started(generation_id: str, attempt: int, worker: str, secret: str = "") -> bool:
    """Note that a worker has begun an attempt."""
    try:
        begun = verify_sender(generation_id, attempt, secret, worker)
    except NotBelieved as problem:
        return _refuse("started", generation_id, problem)
    if begun is None:
        return False
    with log_context.bound(**begun.log_ids):
        return settle.start(generation_id=begun.id, attempt=attempt, worker=worker)


def finished(report: dict[str, Any]) -> bool:
    """Settle an attempt that has ended, or have its clip signed first; ``report`` is a ``RenderReport``."""
    try:
        said = read_report(report)
    except (KeyError, TypeError, ValueError) as problem:
        return _refuse("finished", report.get("generation_id") if isinstance(report, dict) else None, problem)
    with log_context.bound(request_id=said.request_id, generation_id=said.generation_id):
        if signing_queue.hand_over(said):
            return True
        is_news = lost_attempts.settle_ended(said)
        logger.info("Attempt %d is %s%s", said.attempt, said.outcome.value, "" if is_news else ", which is no news")
    return is_news


def worker_lost(generation_id: str, attempt: int, worker: str, reason: str, secret: str = "") -> bool:
    """Hand on an attempt whose worker is gone, or fail it."""
    try:
        lost = verify_sender(generation_id, attempt, secret, worker)
    except NotBelieved as problem:
        return _refuse("worker_lost", generation_id, problem)
    if lost is None or lost.attempt != attempt:
        return False
    with log_context.bound(**lost.log_ids):
        return lost_attempts.hand_on(lost, f"The GPU worker was lost: {reason}.")


def key_tested(key_id: str, number: int, secret: str, result: str, words: str) -> bool:
    """Note what came of a test of a workspace's own key."""
    try:
        return keeping.note_test(key_id, number, secret, result, words)
    except (TypeError, ValueError, AttributeError) as problem:
        logger.warning("A test of the key %.50r is not believed: %s", key_id, problem)
        return False


def _refuse(kind: str, generation_id: object, problem: Exception) -> bool:
    """Leave everything as it is: the attempt goes on, or housekeeping hands it to another worker."""
    with log_context.bound(**log_context.of(problem)):
        logger.warning("'%s' of %.50r is refused: %s", kind, generation_id, problem)
    return False


JOBS: Table = {
    STARTED_FUNCTION: started,
    FINISHED_FUNCTION: finished,
    WORKER_LOST_FUNCTION: worker_lost,
    KEY_TESTED_FUNCTION: key_tested,
}
"""All that the ``reports`` queue may name."""
