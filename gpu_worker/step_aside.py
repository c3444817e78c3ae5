"""When a long render lets a short one go first: it hands itself back at a step whose state is kept.

Nothing is in two hands: the attempt ends as ``STEPPED_ASIDE``, the site puts the clip first in line, and the worker
takes short ones before it for a while. Whoever is killed at any point in between leaves a clip that waits, as after any
other attempt that ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.contract import RenderJob


class SteppedAside(Exception):
    """The render lets another go first. Another attempt goes on with it."""


@dataclass(frozen=True, slots=True)
class AsideBounds:
    """For how much a render steps aside, and how often."""

    times: int = 10
    """0: never."""
    seconds: float = 120.0
    """Each time short ones are taken for so long."""
    least_left_seconds: float = 600.0
    """A render that would end sooner goes on."""
    gain: float = 10.0
    """What is left takes so many times what goes first, with loading there and back."""


def steps_aside(
    job: RenderJob,
    first: RenderJob,
    bounds: AsideBounds,
    *,
    left_seconds: float,
    service_seconds: float,
    loading_seconds: float | None,
) -> bool:
    """Return whether ``job``, with so much left, lets ``first`` go first. Never one that is paid for a free one.

    Args:
        service_seconds: what ``first`` takes.
        loading_seconds: what it loads first; as much has to come back after it. None: unknown, and ``job`` goes on.
    """
    if job.times_aside >= bounds.times or (first.yields and not job.yields) or first.times_aside:
        return False
    if loading_seconds is None or left_seconds < bounds.least_left_seconds:
        return False
    return left_seconds >= bounds.gain * (service_seconds + 2 * loading_seconds)
