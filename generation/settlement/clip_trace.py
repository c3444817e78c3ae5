"""The trace of a clip, from the click to its end, written from its row when it has ended.

So it is whole whichever processes had a hand in it, and whichever of them died. Its id is the clip's. No words of
anybody's are in it, and nobody's name.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from billing.models import Hold
from generation.models import Generation, State
from gpu_worker import contract
from loremotion import tracing
from loremotion.tracing import Part


def send(generation_id: uuid.UUID) -> None:
    """Send the trace of a clip that has ended, where somebody takes traces."""
    if not tracing.is_on():
        return
    generation = Generation.objects.select_related("version__model").filter(id=generation_id).first()
    if generation is not None and generation.finished_at is not None:  # else it is erased, with its workspace
        hold = Hold.objects.filter(id=generation_id).only("held_at").first()
        tracing.send(generation_id, whole(generation, generation.finished_at, held_at=hold.held_at if hold else None))


def whole(generation: Generation, ended: datetime, *, held_at: datetime | None) -> Part:
    """Return what the row tells of how long everything took: of the attempt that ended it, and the wait before it."""
    attributes: dict[str, str | int | float] = {
        "loremotion.model": generation.version.model.slug,
        "loremotion.version": generation.version.number,
        "loremotion.mode": generation.mode,
        "loremotion.preset": generation.preset,
        "loremotion.width": generation.width,
        "loremotion.height": generation.height,
        "loremotion.frames": generation.num_frames,
        "loremotion.steps": generation.steps,
        "loremotion.credits": generation.credits_quoted,
        "loremotion.attempts": generation.attempt,
        "loremotion.state": generation.state,
        "loremotion.request_id": generation.request_id,
    }
    error = generation.error_code if generation.state == State.FAILED else ""
    return Part("clip", generation.created_at, ended, attributes, [*_parts(generation, ended, held_at)], error)


def _parts(generation: Generation, ended: datetime, held_at: datetime | None) -> Iterator[Part]:
    if held_at is not None:
        yield Part("hold", min(generation.created_at, held_at), held_at)  # by PostgreSQL's clock
    dispatched, started = generation.dispatched_at, generation.started_at
    yield Part("queued", generation.created_at, dispatched or ended)
    if dispatched is None:
        return
    yield Part("dispatched", dispatched, started or ended)
    if started is None:
        return
    stages = [*_stages(generation, started)]
    rendered = min(stages[-1].ended, ended) if stages else ended
    worker: dict[str, str | int | float] = {"loremotion.worker": generation.worker}
    if generation.peak_bytes:
        worker["loremotion.peak_bytes"] = generation.peak_bytes
    yield Part("render", started, rendered, worker, stages)
    if rendered < ended:
        yield Part("report and settle", rendered, ended)


def _stages(generation: Generation, began: datetime) -> Iterator[Part]:
    """They follow each other, and the host's clock has no part in it."""
    for stage, seconds in contract.in_order(generation.stage_seconds):
        ended = began + timedelta(seconds=float(seconds))
        yield Part(stage, began, ended)
        began = ended
