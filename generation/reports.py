"""What GPU workers call, by dotted name through the ``reports`` queue. JSON in, one service call each."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from generation.models import Generation
from generation.settlement import attempts, settle
from gpu_worker import log_context
from gpu_worker.contract import FINISHED_FUNCTION, STARTED_FUNCTION, WORKER_LOST_FUNCTION, RenderReport
from loremotion.queues import Table

logger = logging.getLogger(__name__)


def started(generation_id: str, attempt: int, worker: str) -> bool:
    """A worker has begun an attempt."""
    with log_context.bound(generation_id=generation_id):
        return settle.start(generation_id=UUID(generation_id), attempt=attempt, worker=worker)


def finished(report: dict[str, Any]) -> bool:
    """An attempt has ended; ``report`` is a ``RenderReport``."""
    said = RenderReport.from_wire(report)
    request_id = log_context.cleaned(said.request_id)
    with log_context.bound(request_id=request_id, generation_id=log_context.cleaned(said.generation_id)):
        is_news = settle.settle(said)
        logger.info("Attempt %d is %s%s", said.attempt, said.outcome.value, "" if is_news else ", which is no news")
    return is_news


def worker_lost(generation_id: str, attempt: int, worker: str, reason: str) -> bool:
    """The worker of an attempt is gone."""
    lost = Generation.objects.select_related("version").filter(id=generation_id, attempt=attempt).first()
    return lost is not None and settle.requeue(
        generation_id=lost.id,
        attempt=attempt,
        code="worker_lost",
        reason=f"The GPU worker was lost: {reason}.",
        gpu_seconds=attempts.seconds_taken(lost),
    )


JOBS: Table = {STARTED_FUNCTION: started, FINISHED_FUNCTION: finished, WORKER_LOST_FUNCTION: worker_lost}
"""All that the ``reports`` queue may name."""
