"""When a clip will be ready, as a range learned from the model's latest clips, and why it is not ready yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.db import connection

from catalog.models import ModelVersion
from catalog.offers import Offer
from generation.models import Generation, State
from generation.scheduling import explanation, fleet, storage_pause
from generation.scheduling.places import Look, Place
from loremotion.row_security import across_workspaces

SAMPLE = 20
VERSIONS = 10
"""Latest versions of one build that are asked: a price that is edited often does not forget what clips took."""
UNKNOWN_SECONDS = (5.0, 60.0)
GB = 10**9


@dataclass(frozen=True, slots=True)
class Wait:
    """What a person who waits wants to know. Seconds count from now until the clip is ready; None: nobody can say."""

    place: int
    low_seconds: float | None
    high_seconds: float | None
    reason: str
    why_this_place: str = ""
    """Whose clips are before it; empty where none waits before it."""

    @property
    def is_for_a_machine(self) -> bool:
        """Whether nobody can say when it goes on: no machine that is on can take it."""
        return self.low_seconds is None

    def to_json(self) -> dict[str, Any]:
        """As the API and live events say it."""
        seconds = (self.low_seconds, self.high_seconds)
        eta = [round(each, 1) for each in seconds if each is not None]
        return {"position": self.place, "eta_seconds": eta or None, "reason": self.reason}


def service_seconds(version: ModelVersion) -> tuple[float, float]:
    """Median and 90th percentile of start-to-end of the latest clips of the same build, whatever its price was. One
    query, of which each part begins in an index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM clip.finished_at - clip.started_at)::float
            FROM (
                (SELECT id FROM catalog_modelversion WHERE build = %s ORDER BY id DESC LIMIT %s) UNION SELECT %s
            ) AS same, LATERAL (
                SELECT started_at, finished_at FROM generation_generation
                WHERE version_id = same.id AND state = 'succeeded' AND started_at IS NOT NULL
                ORDER BY finished_at DESC LIMIT %s
            ) AS clip
            ORDER BY clip.finished_at DESC LIMIT %s
            """,
            [version.build, VERSIONS, version.id, SAMPLE, SAMPLE],
        )
        took = sorted(seconds for (seconds,) in cursor.fetchall() if seconds is not None)
    if not took:
        return UNKNOWN_SECONDS
    return took[len(took) // 2], took[min(len(took) - 1, (len(took) * 9) // 10)]


@across_workspaces("others are before it in the queue; only how many, whose and how long comes out")
def wait_of(generation: Generation) -> Wait:
    """How long this open generation will take, and what it waits for."""
    look = Look()
    why = explanation.sentence(generation, look.waiting_before(generation))
    return replace(_waits([generation], look)[generation.id], why_this_place=why)


@across_workspaces("as above")
def waits_of(generations: Sequence[Generation]) -> dict[UUID, Wait]:
    """The same of many at once, without ``why_this_place``: queue and fleet are looked at once, and each build's speed
    once."""
    return _waits(generations, Look())


def _waits(generations: Sequence[Generation], look: Look) -> dict[UUID, Wait]:
    budgets, seconds_of = _budgets(), cache(service_seconds)
    largest_bytes = max(budgets, default=0)
    return {each.id: _wait(each, look.place_of(each, largest_bytes), budgets, seconds_of) for each in generations}


def _wait(
    generation: Generation,
    stands: Place,
    budgets: list[int],
    seconds_of: Callable[[ModelVersion], tuple[float, float]],
) -> Wait:
    place = stands.number
    if generation.state == State.QUEUED and budgets and (generation.needs_bytes or 0) > budgets[-1]:
        reason = too_large(generation.needs_bytes or 0, budgets[-1])
        return Wait(place, None, None, f"{reason} Your place is kept, and cancelling gives everything back.")
    if stands.is_held_up:
        return Wait(place, None, None, storage_pause.REASON)
    if not budgets:
        return Wait(place, None, None, _reason(generation, stands, 0))
    median, slow = seconds_of(generation.version)
    rounds = place / len(budgets)
    low, high = median * (rounds + 0.5), slow * (rounds + 1)
    return Wait(place, low, high, _reason(generation, stands, len(budgets)))


def _budgets() -> list[int]:
    """Of every worker that takes jobs, ascending. With Valkey away, nobody is known to be up: a request that was taken
    must not look as if it had failed."""
    try:
        return fleet.taking_budgets()
    except redis.RedisError:
        return []


def largest_machine_bytes() -> int | None:
    """Bytes of the largest machine that takes clips now; None where nobody knows of one."""
    return max(_budgets(), default=None)


def why_nobody_takes(offer: Offer) -> str:
    """Why a clip that is not asked for yet would not begin before another machine is on; empty where it would."""
    largest_bytes = largest_machine_bytes()
    needed_bytes = offer.least_bytes if largest_bytes is not None else None
    if largest_bytes is None or needed_bytes is None or needed_bytes <= largest_bytes:
        return ""
    return too_large(needed_bytes, largest_bytes)


def too_large(needed_bytes: int, largest_bytes: int) -> str:
    """Why a clip that needs so much does not begin, for people."""
    return (
        f"No machine large enough is on: this clip needs about {needed_bytes / GB:.0f} GB on one GPU, and the largest "
        f"that is on has {largest_bytes / GB:.0f} GB."
    )


def _reason(generation: Generation, stands: Place, workers: int) -> str:
    if generation.state == State.RUNNING:
        return "It is being made."
    if workers == 0:
        return "No GPU worker takes clips at the moment. Your place is kept, and nothing is lost."
    if stands.number == 0:
        return "You are next."
    machines = "1 GPU" if workers == 1 else f"{workers} GPUs"
    return f"{stands.clips_before.capitalize()} before yours, on {machines}."
