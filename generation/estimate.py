"""When a clip will be ready, as a range learned from the model's latest clips, and why it is not ready yet."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from generation import fleet, queue
from generation.models import Generation, State
from loremotion.row_security import across_workspaces

SAMPLE = 20
UNKNOWN_SECONDS = (5.0, 60.0)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a person who waits wants to know. Seconds count from now until the clip is ready."""

    place: int
    low_seconds: float
    high_seconds: float
    reason: str


def service_seconds(version_id: int) -> tuple[float, float]:
    """Median and 90th percentile of start-to-end of this version's latest clips."""
    latest = (
        Generation.objects.filter(version_id=version_id, state=State.SUCCEEDED, started_at__isnull=False)
        .order_by("-finished_at")
        .values_list("started_at", "finished_at")[:SAMPLE]
    )
    took = sorted((end - begin).total_seconds() for begin, end in latest if begin and end)
    if not took:
        return UNKNOWN_SECONDS
    return took[len(took) // 2], took[min(len(took) - 1, (len(took) * 9) // 10)]


@across_workspaces("others are before it in the queue; only how many and how long comes out")
def wait_of(generation: Generation) -> Wait:
    """How long this open generation will take, and what it waits for."""
    workers = _living_workers()
    place = queue.place(generation)
    median, slow = service_seconds(generation.version_id)
    rounds = place / max(workers, 1)
    low, high = median * (rounds + 0.5), slow * (rounds + 1)
    return Wait(place, low, high, _reason(generation, place, workers))


def _living_workers() -> int:
    """With Valkey away, nobody is known to be up: a request that was taken must not look as if it had failed."""
    try:
        return len(fleet.living_names())
    except redis.RedisError:
        return 0


def _reason(generation: Generation, place: int, workers: int) -> str:
    if workers == 0:
        return "No GPU worker is up at the moment. Your place is kept, and nothing is lost."
    if generation.state == State.RUNNING:
        return "It is being made."
    if place == 0:
        return "You are next."
    before = "1 clip is" if place == 1 else f"{place} clips are"
    machines = "1 GPU" if workers == 1 else f"{workers} GPUs"
    return f"{before} before yours, on {machines}."
