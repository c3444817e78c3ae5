"""When a long render lets a short one go first: it hands itself back at a step whose state is kept.

Nothing is in two hands: the attempt ends as ``STEPPED_ASIDE``, the site puts the clip first in line, and the worker
takes short ones before it for a while. Whoever is killed at any point in between leaves a clip that waits, as after any
other attempt that ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.contract import RenderJob
from gpu_worker.wire import Wire


class SteppedAside(Exception):
    """The render lets another go first. Another attempt goes on with it."""


@dataclass(frozen=True, slots=True)
class AsideBounds(Wire):
    """For how much a render steps aside, and how often."""

    times: int = 10
    """0: never."""
    seconds: float = 120.0
    """Each time short ones are taken for so long."""
    least_left_seconds: float = 600.0
    """A render that would end sooner goes on."""
    gain: float = 10.0
    """What is left takes so many times what goes first, with loading there and back."""
    share: float = 0.2
    """Of what is left, all its times aside together take so much at most, if each were as long as the next one."""


NEVER = AsideBounds(times=0)
_MOST = AsideBounds(times=20, seconds=86_400.0, least_left_seconds=86_400.0, gain=10_000.0, share=1_000.0)


def read_bounds(said: AsideBounds) -> AsideBounds:
    """Return what a heartbeat says within what the settings take: anybody may have written it."""
    return AsideBounds(
        times=min(max(0, said.times), _MOST.times),
        seconds=min(max(0.0, said.seconds), _MOST.seconds),
        least_left_seconds=min(max(0.0, said.least_left_seconds), _MOST.least_left_seconds),
        gain=min(max(1.0, said.gain), _MOST.gain),
        share=min(max(0.0, said.share), _MOST.share),
    )


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
    first_seconds = service_seconds + 2 * loading_seconds
    aside_seconds = (job.times_aside + 1) * (bounds.seconds + first_seconds)
    return left_seconds >= bounds.gain * first_seconds and aside_seconds <= bounds.share * left_seconds
